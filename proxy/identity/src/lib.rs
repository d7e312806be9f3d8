//! Who is charged: API keys and addresses become a [`Principal`]. No header that the caller could have written is trusted.

mod identify;
mod key;
mod principal;

pub use identify::{Caller, Identifier, Unidentified};
pub use key::{NoRandomness, digest, new_key};
pub use principal::{Principal, Pseudonym, Pseudonyms};
