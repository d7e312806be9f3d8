//! The attacks: bytes to a [`super::target::Target`], whoever it is and whatever it answers. Each gives back its connections, on which the
//! answers wait to be read; dropping them ends the attack.

pub(crate) mod http1;
pub(crate) mod http2;
