//! What roles imply, and their names in messages.

pub use crate::store::access::account::Role;

impl Role {
    /// The name in messages, such as `Image Administrator`.
    pub const fn title(self) -> &'static str {
        match self {
            Role::ImageAdmin => "Image Administrator",
            Role::OrgAdmin => "Organization Administrator",
            Role::SatelliteAdmin => "Satellite Administrator",
        }
    }

    /// Whether holding `self` includes `other`. Only `org_admin` implies another role:
    /// `image_admin`.
    pub fn implies(self, other: Role) -> bool {
        self == other || (self == Role::OrgAdmin && other == Role::ImageAdmin)
    }
}

#[cfg(test)]
mod tests {
    use super::Role;

    #[test]
    fn only_org_admin_implies_another_role() {
        for held in Role::ALL {
            for wanted in Role::ALL {
                let expected =
                    held == wanted || (*held == Role::OrgAdmin && *wanted == Role::ImageAdmin);
                assert_eq!(held.implies(*wanted), expected, "{held} {wanted}");
            }
        }
    }
}
