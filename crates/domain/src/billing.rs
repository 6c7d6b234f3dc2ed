//! Whom a request for inference is billed to, as the inference stub of a development server judges it.
//! The platform's real billing is none of Rollcall's business.

crate::text_enum! {
    /// Who pays.
    BillTo {
        /// The organization itself.
        Itself = "self",
        /// The organization that is linked to the profile.
        UserProfile = "user_profile",
    }
}

crate::text_enum! {
    /// How a profile's billing stands, as the operator of a development server sets it.
    BillingState {
        /// Requests can be billed to it.
        Linked = "linked",
        /// It was never linked.
        NotLinked = "not_linked",
        /// It was linked.
        Unlinked = "unlinked",
        /// It is of a kind that cannot be billed.
        NotBillable = "not_billable",
        /// The linked organization cannot pay now.
        Unavailable = "unavailable",
        /// The linked organization's limit is reached.
        LimitReached = "limit_reached",
    }
}

crate::text_enum! {
    /// Why a request cannot be billed to its profile.
    BillingRefusal {
        /// Nobody has agreed to pay.
        NotAuthorized = "user_profile_billing_not_authorized",
        /// The profile cannot be billed at all.
        NotBillable = "user_profile_not_billable",
        /// Whoever pays cannot now.
        Unavailable = "linked_organization_billing_unavailable",
        /// Whoever pays has paid enough.
        LimitReached = "linked_organization_spend_limit_reached",
    }
}

impl BillingState {
    /// Whether a request can be billed to a profile that stands so.
    pub fn bill(self) -> Result<(), BillingRefusal> {
        match self {
            Self::Linked => Ok(()),
            Self::NotLinked | Self::Unlinked => Err(BillingRefusal::NotAuthorized),
            Self::NotBillable => Err(BillingRefusal::NotBillable),
            Self::Unavailable => Err(BillingRefusal::Unavailable),
            Self::LimitReached => Err(BillingRefusal::LimitReached),
        }
    }
}
