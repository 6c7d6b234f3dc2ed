//! What an operator's key may do: the one decision that the operator API, the console and the command line share.
//!
//! Everything an operator can do needs one [`Right`], which its route names. To add a role, add it here; the matrix of
//! every operator route by role shows what it reaches.

use thiserror::Error;

crate::text_enum! {
    /// What the holder of an operator's key is.
    Role {
        /// Does everything.
        Owner = "owner",
        /// Reads everything and decides about profiles.
        Reviewer = "reviewer",
        /// Reads.
        Viewer = "viewer",
    }
}

crate::text_enum! {
    /// What something that an operator does needs.
    Right {
        /// Looking at what is there, one page at a time.
        Read = "read",
        /// Deciding about a profile: programs, enforcement, identity checks, enrollments; and sending a delivery again.
        Decide = "decide",
        /// Whatever else there is: organizations and what is switched for them, keys, whole records in and out, erasure,
        /// the controls of a development server.
        Administer = "administer",
    }
}

/// The role does not have the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("This operator key has the role {role}; this needs the role {}", Role::with(*.right))]
pub struct RoleForbids {
    /// What the key's holder is.
    pub role: Role,
    /// What is needed.
    pub right: Right,
}

impl Role {
    /// What a key is that names no role: those that were made before there were roles do everything.
    pub const UNNAMED: Self = Self::Owner;

    /// Whether it has the right.
    pub const fn has(self, right: Right) -> bool {
        match (self, right) {
            (Self::Owner, _)
            | (Self::Reviewer, Right::Read | Right::Decide)
            | (Self::Viewer, Right::Read) => true,
            (Self::Reviewer, Right::Administer)
            | (Self::Viewer, Right::Decide | Right::Administer) => false,
        }
    }

    /// Nothing where it has the right, else why not.
    pub const fn may(self, right: Right) -> Result<(), RoleForbids> {
        if self.has(right) {
            Ok(())
        } else {
            Err(RoleForbids { role: self, right })
        }
    }

    /// The roles that have the right, in words.
    fn with(right: Right) -> String {
        let roles = Self::ALL.iter().filter(|role| role.has(right));
        let names: Vec<_> = roles.map(|role| role.as_str()).collect();
        names.join(" or ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_does_everything_a_reviewer_decides_and_a_viewer_looks() {
        let rights = |role: Role| {
            let had = Right::ALL.iter().filter(|right| role.has(**right));
            had.map(|right| right.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(rights(Role::Owner), ["read", "decide", "administer"]);
        assert_eq!(rights(Role::Reviewer), ["read", "decide"]);
        assert_eq!(rights(Role::Viewer), ["read"]);
    }

    #[test]
    fn what_a_role_may_not_do_names_it_and_what_is_needed() {
        assert_eq!(
            Role::Viewer.may(Right::Decide).unwrap_err().to_string(),
            "This operator key has the role viewer; this needs the role owner or reviewer"
        );
        assert_eq!(
            Role::Reviewer
                .may(Right::Administer)
                .unwrap_err()
                .to_string(),
            "This operator key has the role reviewer; this needs the role owner"
        );
    }
}
