//! Every command that a server can be asked for, asked of a server and done on a storage of the same content: it prints
//! the same, complains of the same and ends with the same status.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use clap::CommandFactory as _;
use rollcall::cli::Arguments;
use rollcall::cli::client::Call;
use serde_json::{Value, json};

use crate::rollcall::{Ended, Place};
use crate::webhooks::{Inbox, until};

/// The commands, in order, `{…}` standing for what an earlier one made (`… > name`) or for what was there before.
const COMMANDS: &str = "
audit list
audit list --limit 2
audit list --action odd
audit list --actor-id nobody
audit list --after odd
audit list --before 2001-01-01T00:00:00Z --output table --columns at,name
audit list --organization-id {organization} --action user_profile.created --all
webhooks list
webhooks list --state odd
webhooks list --organization-id {organization} --output table
webhooks deliveries
webhooks deliveries --status delivered --endpoint-id whep_here --output table
webhooks deliveries --status odd
webhooks redeliver {delivery}
webhooks redeliver whd_nobody
webhooks test whep_here
webhooks test whep_nobody
orgs create --name New --rate-limit-rpm 60 > made
orgs create --name A --status odd
orgs list
orgs list --output table --columns id,status
orgs show {made}
orgs show nobody
orgs update {made} --name Newer --rate-limit-rpm none --status on_hold
orgs update {made} --status odd
orgs update nobody --name x
gateway policy get --organization-id {made}
gateway policy set --organization-id {made} --missing deny --unknown create --cache-seconds 60
gateway policy set --organization-id {made} --banned create
gateway policy set --organization-id nobody --banned allow
gateway policy get --organization-id nobody
gateway check --organization-id {made}
gateway check --organization-id {organization} --reference nobody --program cyber
gateway check --organization-id nobody --reference kunde-1
workspaces create --name W --organization-id {organization} > workspace
workspaces create --name W --organization-id nobody
workspaces list --organization-id {made}
workspaces list --organization-id nobody
keys create --kind api --name K --organization-id {organization} --workspace-id {workspace} > key
keys create --kind admin --name K --organization-id {organization} --workspace-id {workspace}
keys create --kind api --name K --organization-id {organization} --workspace-id wrkspc_nobody
keys create --kind api --name K --organization-id nobody
keys create --kind api --name K --organization-id {organization} --expires-at 2001-01-01T00:00:00Z
keys create --kind api --name L --organization-id {made}
keys list --organization-id {made}
keys list --organization-id nobody
keys disable {key}
keys enable {key}
keys delete {key}
keys delete {key} --yes
keys delete {key} --yes
keys disable apikey_nobody
keys create --kind operator --name Ana --role reviewer --expires-at 2999-01-01T00:00:00Z > operator_key
keys create --kind operator --name Ana --role odd
keys create --kind operator --name Ana --role viewer --organization-id {organization}
keys create --kind operator --name Ana --expires-at 2001-01-01T00:00:00Z
keys create --kind api --name Ana --role viewer --organization-id {organization}
keys list
keys list --output table
keys disable {operator_key}
keys enable {operator_key}
keys delete {operator_key}
keys delete {operator_key}
keys disable {owner}
keys delete {owner}
search
search --organization-id {organization} --name-prefix An --limit 1
search --limit 1
search --all --output ndjson
search --enforcement-status odd
search --page odd
programs set {profile} cyber --status active --tiers a,c --requirements human_review
programs set {profile} cyber --status odd
programs set uprof_nobody cyber --status active
programs delete {profile} cyber
programs delete uprof_nobody cyber
data-controls set {profile} cmek us --status active
data-controls set {profile} cmek us --status failed --error Refused
data-controls set {profile} cmek us --status failed
data-controls set {profile} storage us --status suspended
data-controls set uprof_nobody cmek us --status active
enforcement open {profile} --type restriction --reason fraud_or_abuse --verify --expires-at 2999-01-01T00:00:00Z > action
enforcement open {profile} --type ban --reason odd
enforcement open uprof_nobody --type ban --reason high_harm
enforcement list {profile}
enforcement list {profile} --output table
enforcement list uprof_nobody
enforcement check {action} --state submitted
enforcement check {action} --state odd
enforcement check enac_nobody --state submitted
enforcement resolve {action}
enforcement resolve {action}
enforcement resolve enac_nobody
enrollments list
enrollments list --status odd
enrollments approve {enrollment} --tiers odd
enrollments approve {enrollment} --tiers a --note Welcome
enrollments approve {enrollment}
enrollments reject {enrollment} --note Late
enrollments reject enr_nobody
import records.ndjson
import records.ndjson --organization-id nobody
export --organization-id {organization}
export --organization-id nobody
profiles edit {profile} --name Anna --metadata plan=pro --country DE
profiles edit {profile} --name Anna
profiles edit {profile} --country de
profiles edit {profile} --relationship internal
profiles edit uprof_nobody --name Anna
profiles link uprof_nobody
profiles link {profile} --output json
profiles erase {profile} --yes
profiles erase {profile} --yes
orgs remove {organization} --yes
orgs remove {made}
orgs remove {made} --yes
orgs remove {made} --yes
";

#[test]
fn every_command_says_the_same_of_a_server_and_of_its_storage() {
    // Two processes write to one content each: a database has no copy of its own.
    let place = Place::embedded();
    let inbox = Inbox::answering(200);
    let there = prepare(&place, &inbox.url);
    copy(&place.path("rollcall-data"), &place.path("copied"));
    let dev = place.dev(&[]);
    let doors = [&dev.operator()[..], &["--data-dir", "copied"]];
    let mut known = [there.clone(), there];
    let mut told_of_damage = Vec::new();
    for line in COMMANDS.trim().lines() {
        let (line, name) = line.split_once(" > ").unwrap_or((line, ""));
        let ended = [0, 1].map(|door| {
            let named = known[door].iter();
            let words = named.fold(line.to_owned(), |line, (name, id)| {
                line.replace(&format!("{{{name}}}"), id)
            });
            let words: Vec<_> = words.split(' ').collect();
            place.run(&[&words, doors[door]].concat())
        });
        assert_eq!(plain(&ended[0]), plain(&ended[1]), "{line}");
        if ended[0].stderr.contains("damaged: uprof_broken") {
            told_of_damage.push(line);
        }
        for (known, ended) in known.iter_mut().zip(ended) {
            if !name.is_empty() {
                let made: Value = serde_json::from_str(&ended.stdout).expect(line);
                known.insert(name, made["id"].as_str().unwrap().to_owned());
            }
        }
    }
    let expected = ["search", "search --limit 1", "search --all --output ndjson"];
    assert_eq!(told_of_damage, expected);
    dev.stop();
}

#[test]
fn no_command_that_a_server_can_be_asked_for_is_left_out() {
    let mut left_out = Vec::new();
    leaves(&Arguments::command(), "", &mut left_out);
    // It is for a development server, and refuses a storage.
    left_out.retain(|command| command != "webhooks trigger");
    left_out.retain(|command| !COMMANDS.contains(&format!("\n{command}")));
    assert_eq!(left_out, [""; 0]);
}

/// The operator's commands that take `--url`.
fn leaves(command: &clap::Command, name: &str, found: &mut Vec<String>) {
    let takes = |name: &str| command.get_arguments().any(|it| it.get_id() == name);
    if takes("url") && takes("operator_key") && takes("data_dir") {
        found.push(name.to_owned());
    }
    for below in command.get_subcommands() {
        let name = format!("{name} {}", below.get_name());
        leaves(below, name.trim(), found);
    }
}

/// What both have: an organization with two profiles, of which one has applied, a delivery that has ended, and another
/// organization with a damaged profile.
fn prepare(place: &Place, url: &str) -> BTreeMap<&'static str, String> {
    let endpoint = json!({
        "type": "webhook_endpoint", "id": "whep_here", "url": url,
        "enabled_events": ["user_profile.program_status_updated"],
    });
    place.write("seed.ndjson", endpoint.to_string());
    let dev = place.dev(&["--seed", "seed.ndjson"]);
    let platform = |words: &[&str]| place.json(&[words, &dev.platform()[..]].concat());
    let profile = platform(&["profiles", "create", "--name", "Ana"])["id"].clone();
    let profile = profile.as_str().unwrap();
    platform(&["data-controls", "update", profile, "--key", "us=ekey_1"]);
    platform(&["profiles", "create", "--name", "Andrea"]);
    let link = platform(&["profiles", "enroll", profile])["url"].clone();
    apply(link.as_str().unwrap());
    let call = |path: &str| dev.call(Call::get(format!("/operator/v1/{path}")))["data"][0].clone();
    let enrollment = call("enrollments")["id"].clone();
    let organization = call("organizations")["id"].clone();
    dev.call(Call::post(
        "/operator/v1/webhook_endpoints/whep_here/test",
        &json!({}),
    ));
    let all = |found: &[Value]| found.iter().all(|it| it["status"] == "delivered");
    let delivered = until(&dev, |found| found.len() == 2 && all(found));
    let text = |id: &Value| id.as_str().unwrap().to_owned();
    let there = BTreeMap::from([
        ("profile", profile.to_owned()),
        ("owner", text(&call("operator_keys")["id"])),
        ("enrollment", text(&enrollment)),
        ("organization", text(&organization)),
        ("delivery", text(&delivered[0]["id"])),
    ]);
    let record = json!({
        "type": "user_profile", "id": "uprof_imported", "organization_id": there["organization"],
        "name": "Imported", "created_at": "2026-01-01T00:00:00Z",
    });
    let retired = json!({
        "type": "user_profile", "id": "uprof_retired", "organization_id": there["organization"],
        "google_data_controls": {"cmek": {"type": "disabled", "retired_keys": [
            {"external_key_id": "ekey_ran_out", "region": "us", "expires_at": "2020-01-02T00:00:00Z"},
        ]}},
    });
    let foreign = json!({"type": "user_profile", "organization_id": "nobody"});
    let records = format!("{record}\n{retired}\n{foreign}\nodd\n");
    place.write("records.ndjson", records);
    let other = dev.call(Call::post(
        "/operator/v1/organizations",
        &json!({"name": "Other"}),
    ));
    dev.call(Call::put(
        "/operator/v1/user_profiles/uprof_broken",
        &json!({"organization_id": other["id"]}),
    ));
    dev.stop();
    let database = rusqlite::Connection::open(place.path("rollcall-data/rollcall.db")).unwrap();
    let damage =
        "UPDATE profiles SET document = replace(document, ':', '') WHERE id = 'uprof_broken'";
    assert_eq!(database.execute(damage, []).unwrap(), 1);
    there
}

/// Fills in the form behind a link.
fn apply(link: &str) {
    let (address, path) = link
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let form = "program=cyber&tiers=a&full_name=Ana&organization=CERT&role=Analyst&intended_use=Work&agreement=yes&step=send";
    let length = form.len();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{form}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// What a command did, without what is made by chance, the time, and what one of the two alone has to say: under which
/// id a server logged a request, and that a storage waits for a server.
fn plain(ended: &Ended) -> String {
    let told = ended.stderr.split(" (request req_");
    let told = told.map(|part| part.split_once(')').map_or(part, |(_, rest)| rest));
    let told = told.collect::<String>();
    let base = ended
        .stdout
        .find("http://127.0.0.1:")
        .map(|at| &ended.stdout[at..]);
    let base = base.and_then(|base| base.split_once("/user-profiles/"));
    let stdout = match base {
        Some((base, _)) => ended.stdout.replace(base, "[base]"),
        None => ended.stdout.clone(),
    };
    let told = told.replace("it is sent as soon as a server runs on this storage\n", "");
    let text = format!("{}\n{stdout}{told}", ended.status);
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || "_-:.".contains(c);
    let mut plain = String::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c| is_of_word(c) != is_of_word(first));
        let (word, after) = rest.split_at(length.unwrap_or(rest.len()));
        plain.push_str(match word {
            word if word.starts_with("sk-rollcall-") => "[secret]",
            word if plain.ends_with("/user-profiles/enrollment/") && word.len() == 43 => "[token]",
            word if word.starts_with("20") && word.contains('T') && word.ends_with('Z') => "[time]",
            word if word.len() == 36 && word.matches('-').count() == 4 => "[organization]",
            word if word.contains("_01") => word.split('_').next().unwrap_or_default(),
            word if word.starts_with("whe_") => "whe",
            word => word,
        });
        rest = after;
    }
    plain
}
