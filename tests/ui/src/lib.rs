//! What several of the uses of the attribute in `tests` need.

use container_test::{Endpoint, OpenError, Returned, Slot};

/// Implements `Service` for a type, as far as the compiler looks at it.
#[macro_export]
macro_rules! service {
    ($type:ty, $name:literal) => {
        impl ::container_test::Service for $type {
            const NAME: &'static str = $name;
            type Server = ();
            type Slot = $crate::Nothing;

            fn spec(&self) -> ::container_test::Result<::container_test::ServerSpec> {
                Ok(::container_test::ServerSpec::new(
                    $name,
                    concat!($name, ":latest"),
                    1,
                ))
            }

            async fn open(
                endpoint: ::container_test::Endpoint,
            ) -> ::core::result::Result<(), ::container_test::OpenError> {
                $crate::refuse(&endpoint)
            }

            async fn claim(
                &self,
                _: ::std::sync::Arc<()>,
                _: ::container_test::SlotRequest,
            ) -> ::container_test::Result<$crate::Nothing> {
                Ok($crate::Nothing)
            }
        }
    };
}

/// Opens no server.
///
/// # Errors
///
/// Always.
pub fn refuse(endpoint: &Endpoint) -> Result<(), OpenError> {
    Err(OpenError::fatal(endpoint.description().to_owned()))
}

/// A slot of which a test has nothing.
#[derive(Debug)]
pub struct Nothing;

impl Slot for Nothing {
    fn description(&self) -> String {
        String::new()
    }

    async fn release(self, _: Returned) {}
}
