//! Lists that are appended to.
use super::Observed;
use crate::Error;
pub(super) fn observe(_: &mut Observed<'_>) -> Result<(), Error> {
    Ok(())
}
