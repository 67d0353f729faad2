//! Any container image as a service.

mod handle;
mod options;
mod slot;

pub use self::handle::Container;
pub use self::options::AnyImage;
