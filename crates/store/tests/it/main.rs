//! The suite that every backend must pass, and what is particular to each backend.
//!
//! A backend's file opens an empty storage and instantiates the suite with one line,
//! `store_suite!(open)`, which makes each of the suite's functions a test of its own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop"
)]

mod keyed;
mod postgres;
mod sqlite;
mod suite;
mod world;

/// Makes every test of the suite a test of the backend that `$open` opens.
///
/// `$open` is an `async fn(Arc<Ids>) -> impl Opened`, which keeps what the storage needs alive.
macro_rules! store_suite {
    ($open:path) => {
        $crate::store_suite! { $open;
            listing: every_page_size_walks_each_profile_once_in_both_directions,
            listing: equal_creation_times_neither_drop_nor_repeat,
            listing: the_last_full_page_says_that_nothing_follows,
            listing: a_position_survives_the_removal_of_its_profile,
            listing: names_are_folded_and_the_unnamed_come_last,
            listing: walks_stay_exact_while_profiles_come_and_go,
            listing: filters_judge_by_the_status_at_the_time_of_reading,
            listing: a_filtered_page_before_the_last_is_never_empty,
            listing: random_worlds_are_listed_as_the_model_lists_them,
            profiles: what_is_inserted_is_found_by_its_own_organization_alone,
            profiles: concurrent_merges_lose_no_key,
            profiles: a_refusal_and_an_unchanged_decision_store_nothing,
            profiles: a_removed_profile_is_gone_everywhere,
            profiles: a_reference_finds_the_oldest_that_has_it,
            profiles: simultaneous_first_uses_store_one_profile,
            profiles: a_decision_that_panics_costs_nobody_else_anything,
            registry: records_are_put_created_replaced_or_refused_each_alone,
            registry: what_a_record_leaves_out_stays,
            registry: records_are_matched_by_their_reference_and_tried_without_a_trace,
            registry: imports_at_once_make_one_profile_of_a_reference,
            registry: records_of_calls_under_way_at_once_are_written_in_the_order_of_the_calls,
            registry: an_export_walks_every_organization_and_resumes_anywhere,
            registry: expiries_are_found_when_due_and_no_more_once_recorded,
            registry: nothing_falls_due_in_a_tenancy_that_ends,
            registry: actions_lead_to_their_profile,
            registry: every_filter_finds_what_the_model_finds,
            registry: a_search_examines_a_bounded_number_of_profiles,
            registry: counts_follow_every_way_of_writing,
            tenants: organizations_are_stored_listed_and_changed,
            tenants: a_gateway_policy_is_kept_with_its_organization,
            tenants: workspaces_belong_to_their_organization,
            tenants: keys_are_found_by_their_secret_until_removed,
            tenants: an_operators_key_keeps_its_role,
            tenants: of_two_owners_who_end_each_other_at_once_one_is_left,
            tenants: literal_keys_are_known_and_counted_in_every_organization,
            tenants: keys_need_their_organization_and_workspace,
            tenants: a_removed_organization_takes_everything_with_it,
            tenants: a_tenancy_ends_piece_by_piece_and_leaves_one_entry,
            tenants: what_is_created_while_a_tenancy_ends_does_not_stay_behind,
            audit: every_change_leaves_its_entry_with_who_and_when,
            audit: the_trail_is_filtered_and_paged_newest_first,
            audit: filters_of_the_trail_hold_together_and_each_alone,
            enrollments: a_url_is_found_by_its_token_alone,
            enrollments: an_application_is_stored_whole_and_once,
            enrollments: nothing_is_submitted_through_a_link_that_is_over,
            enrollments: a_url_stays_over_when_its_profile_comes_back,
            enrollments: an_application_is_decided_once,
            enrollments: enrollments_are_filtered_and_paged_in_both_directions,
            enrollments: enrollments_go_with_their_profile,
            overview: figures_follow_every_change,
            overview: folding_changes_no_figure_and_what_is_folded_goes_on_counting,
            overview: counts_stay_exact_while_they_are_folded,
            sessions: a_session_is_found_touched_and_ended,
            sessions: sessions_that_are_over_are_pruned,
            sessions: sessions_of_a_disabled_key_stay_over_when_it_is_enabled_again,
            webhooks: endpoints_belong_to_their_organization,
            webhooks: concurrent_creates_never_pass_the_limit,
            webhooks: a_secret_is_replaced_and_sealed_anew,
            webhooks: the_operator_finds_endpoints_of_every_organization,
            deliveries: a_decision_reaches_who_is_enabled_and_subscribed_then,
            deliveries: claims_go_in_order_and_never_pass_ten_an_endpoint,
            deliveries: a_full_endpoint_keeps_no_other_from_its_turn,
            deliveries: a_lease_that_ends_is_taken_over_and_the_late_report_is_not_kept,
            deliveries: a_lease_that_is_renewed_is_kept_and_one_that_was_lost_is_not,
            deliveries: failures_are_tried_again_and_end,
            deliveries: a_redirect_disables_at_once_and_cancels_the_rest,
            deliveries: a_day_of_failures_disables_and_a_success_starts_over,
            deliveries: a_delivery_that_is_lost_again_by_hand_counts_once,
            deliveries: an_endpoint_that_fails_again_and_again_rests_between_rounds,
            deliveries: what_a_disabled_endpoint_missed_is_never_delivered,
            deliveries: a_tenancy_that_ends_fails_no_report_of_another,
            deliveries: a_clock_that_is_set_back_stops_nothing,
            deliveries: a_large_backlog_is_canceled_piece_by_piece,
            deliveries: deliveries_are_listed_and_started_again_by_hand,
            deliveries: deliveries_of_a_profile_are_found_and_health_is_told,
            deliveries: what_ended_is_forgotten_in_time,
            care: a_check_of_a_busy_storage_finds_nothing,
            care: a_bulk_load_ends_with_everything_in_place,
            care: a_reset_leaves_nothing_behind,
            care: a_closed_storage_takes_no_more_writes,
        }
    };
    ($open:path; $($file:ident: $test:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            let ids = $crate::world::ids();
            let opened = $open(std::sync::Arc::clone(&ids)).await;
            let world = $crate::world::World::new($crate::world::Opened::store(&opened), ids);
            $crate::suite::$file::$test(world).await;
        }
    )*};
}
pub(crate) use store_suite;
