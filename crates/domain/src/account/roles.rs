//! What roles permit, and giving and taking them.

use super::{Account, Accounts, Role, UserId};
use crate::{Error, Result, text_enum::text_enum};

text_enum!(
    /// What a role may permit.
    Permission, {
        /// Everything that only administrators may: routes of that access class.
        Administer = "administer",
    }
);

impl Role {
    /// What it permits: the one table of it.
    pub const fn permissions(self) -> &'static [Permission] {
        match self {
            Self::User => &[],
            Self::Admin => &[Permission::Administer],
        }
    }

    /// Whether it permits this.
    pub fn permits(self, permission: Permission) -> bool {
        self.permissions().contains(&permission)
    }
}

impl Accounts {
    /// Gives a user a role. The same role again changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Forbidden`] when the account is to administer and is disabled, or nobody has
    /// shown that its address is its holder's; [`Error::Conflict`] when no enabled administrator would be left.
    pub async fn assign_role(&self, user: UserId, role: Role) -> Result<Account> {
        self.ports.store.change_role(user, role, self.ports.clock.now()).await
    }

    /// Takes a role: the user has [`Role::User`] from then on. A user who does not have it keeps what they have.
    ///
    /// # Errors
    /// [`Error::Invalid`] for [`Role::User`], which everybody has; and as [`assign_role`](Self::assign_role).
    pub async fn remove_role(&self, user: UserId, role: Role) -> Result<Account> {
        if role == Role::User {
            return Err(Error::invalid("role", "is everybody's and cannot be taken"));
        }
        self.assign_role(user, Role::User).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_administrators_administer() {
        let permitted = Role::ALL.iter().map(|role| role.permits(Permission::Administer));
        assert_eq!(permitted.collect::<Vec<_>>(), [false, true]);
    }
}
