//! Every method of every path, one file per noun as under `routes`.

use super::operation::Operation;

mod customers;
mod documentation;
mod health;
mod keys;
mod looking_up;
mod minting;
mod overrides;
mod permissions;
mod revocation;
mod roles;

/// Everything there is, in the order in which it is shown.
pub(super) fn all() -> Vec<Operation> {
    [
        keys::operations(),
        minting::operations(),
        looking_up::operations(),
        revocation::operations(),
        overrides::operations(),
        customers::operations(),
        permissions::operations(),
        roles::operations(),
        health::operations(),
        documentation::operations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
