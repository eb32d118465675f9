//! Roles, with Uyuni's labels.

use std::fmt;

/// A role an account may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Manages image stores, projects and runs (`image_admin`).
    ImageAdmin,
    /// Manages an organisation; implies [`Role::ImageAdmin`] (`org_admin`).
    OrgAdmin,
    /// Manages the whole server; implies no other role (`satellite_admin`).
    SatelliteAdmin,
}

impl Role {
    /// Every role, as `user.listAssignableRoles` orders them.
    pub const ALL: [Role; 3] = [Role::ImageAdmin, Role::OrgAdmin, Role::SatelliteAdmin];

    /// The label in the API and the database, such as `image_admin`.
    pub const fn label(self) -> &'static str {
        match self {
            Role::ImageAdmin => "image_admin",
            Role::OrgAdmin => "org_admin",
            Role::SatelliteAdmin => "satellite_admin",
        }
    }

    /// The name in messages, such as `Image Administrator`.
    pub const fn title(self) -> &'static str {
        match self {
            Role::ImageAdmin => "Image Administrator",
            Role::OrgAdmin => "Organization Administrator",
            Role::SatelliteAdmin => "Satellite Administrator",
        }
    }

    /// The role with this label.
    pub fn from_label(label: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.label() == label)
    }

    /// Whether holding `self` is as good as holding `other`.
    pub fn implies(self, other: Role) -> bool {
        self == other || (self == Role::OrgAdmin && other == Role::ImageAdmin)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
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
                    held == wanted || (held == Role::OrgAdmin && wanted == Role::ImageAdmin);
                assert_eq!(held.implies(wanted), expected, "{held} {wanted}");
            }
            assert_eq!(Role::from_label(held.label()), Some(held));
        }
    }
}
