//! Seeds: files and functions that fill a test's services before its body runs.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use crate::context::TestContext;
use crate::inject::FromContext;
use crate::service::BoxError;
use crate::{Error, Result, report};

/// One entry of `seeds(…)`, in the order declared.
pub(crate) enum Seed {
    /// A file, relative to the crate's directory, of the service that is declared by this name.
    File {
        service: &'static str,
        path: PathBuf,
    },
    /// A function, by the name it was written with.
    Function(&'static str, Box<dyn SeedCall>),
}

impl Seed {
    /// Returns a function with the name to report it by; `E` stands for the services that its
    /// arguments come from.
    pub(crate) fn function<E, A, K, F>(name: &'static str, function: F) -> Self
    where
        E: 'static,
        F: SeedFunction<A, K, Output: SeedOutput>,
        A: SeedArguments<E> + 'static,
        K: 'static,
    {
        let call: Call<E, F, A, K> = Call {
            function,
            arguments: std::marker::PhantomData,
        };
        Self::Function(name, Box::new(call))
    }
}

/// A seed function whose argument types are forgotten.
pub(crate) trait SeedCall: Send {
    /// Injects the arguments and calls the function.
    fn call<'a>(&'a self, cx: &'a TestContext) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;
}

struct Call<E, F, A, K> {
    function: F,
    arguments: std::marker::PhantomData<fn(E, A, K)>,
}

impl<E, A, K, F> SeedCall for Call<E, F, A, K>
where
    F: SeedFunction<A, K, Output: SeedOutput>,
    A: SeedArguments<E>,
{
    fn call<'a>(&'a self, cx: &'a TestContext) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>> {
        Box::pin(async {
            let arguments = A::inject(&cx.share()).await?;
            let output = self.function.call(arguments).await;
            output
                .into_result()
                .map_err(|error| Error::new("run the seed").because(error))
        })
    }
}

/// A function by the number of its arguments `A` and its kind `K`: async, or plain. Whether the
/// arguments can be injected is checked separately, so that the compiler names the one at fault.
#[diagnostic::on_unimplemented(
    message = "this is not a seed function",
    label = "not a function of up to eight arguments that returns `()` or `Result<(), E>`",
    note = "a seed is an `async fn` or a plain `fn` of up to eight injectable arguments that returns `()` or `Result<(), E>`; the arguments of a plain one are `Send`"
)]
pub trait SeedFunction<A, K>: Send + 'static {
    /// What the function returns once it has run.
    type Output;

    /// Calls the function.
    fn call(&self, arguments: A) -> impl Future<Output = Self::Output>;
}

/// The kind of a seed function that is async.
#[derive(Debug)]
pub struct Async;

/// The kind of a seed function that is not async. It runs on a thread that may block.
#[derive(Debug)]
pub struct Plain;

/// The arguments of a seed function.
pub trait SeedArguments<D>: Sized {
    /// Makes them, in order.
    fn inject(cx: &TestContext<D>) -> impl Future<Output = Result<Self>>;
}

/// What a seed function may return.
#[diagnostic::on_unimplemented(
    message = "a seed function cannot return `{Self}`",
    label = "returns neither `()` nor `Result<(), E>`",
    note = "a seed function returns `()` or `Result<(), E>`, where `E` is an error or `anyhow::Error`"
)]
pub trait SeedOutput {
    /// The outcome, as an error of the runtime.
    fn into_result(self) -> Result<(), BoxError>;
}

impl SeedOutput for () {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> SeedOutput for Result<(), E> {
    fn into_result(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

macro_rules! seed_functions {
    ($($argument:ident),*) => {
        impl<Fun, Fut, $($argument,)*> SeedFunction<($($argument,)*), Async> for Fun
        where
            Fun: Fn($($argument),*) -> Fut + Send + 'static,
            Fut: Future,
        {
            type Output = Fut::Output;

            #[allow(non_snake_case)]
            fn call(&self, ($($argument,)*): ($($argument,)*)) -> impl Future<Output = Fut::Output> {
                self($($argument),*)
            }
        }

        impl<Fun, Ret, $($argument,)*> SeedFunction<($($argument,)*), Plain> for Fun
        where
            Fun: Fn($($argument),*) -> Ret + Clone + Send + 'static,
            Ret: SeedOutput,
            $($argument: Send + 'static,)*
        {
            type Output = Result<(), BoxError>;

            #[allow(non_snake_case)]
            fn call(&self, ($($argument,)*): ($($argument,)*)) -> impl Future<Output = Self::Output> {
                let function = self.clone();
                let called = tokio::task::spawn_blocking(move || function($($argument),*).into_result());
                // A panic is an error of the seed.
                async { called.await? }
            }
        }

        impl<D, $($argument: FromContext<D>,)*> SeedArguments<D> for ($($argument,)*) {
            async fn inject(cx: &TestContext<D>) -> Result<Self> {
                let _ = cx;
                Ok(($($argument::from_context(cx).await?,)*))
            }
        }
    };
}

seed_functions!();
seed_functions!(A);
seed_functions!(A, B);
seed_functions!(A, B, C);
seed_functions!(A, B, C, E);
seed_functions!(A, B, C, E, G);
seed_functions!(A, B, C, E, G, H);
seed_functions!(A, B, C, E, G, H, I);
seed_functions!(A, B, C, E, G, H, I, J);

/// Returns the seed files of a service that come before any seed function: its claim may apply
/// them.
pub(crate) fn leading_files(seeds: &[Seed], name: &str) -> Vec<PathBuf> {
    seeds
        .iter()
        .map_while(|seed| match seed {
            Seed::File { service, path } => Some((*service, path)),
            Seed::Function(..) => None,
        })
        .filter(|(service, _)| *service == name)
        .map(|(_, path)| path.clone())
        .collect()
}

/// Applies the seeds that no claim has applied yet, in order.
pub(crate) async fn run(cx: &TestContext, seeds: &[Seed]) -> Result<()> {
    let mut applied: Vec<(&str, usize)> = cx
        .slots()
        .iter()
        .map(|held| (held.name, held.slot.seeded()))
        .collect();
    for seed in seeds {
        match seed {
            Seed::File { service, path } => {
                if let Some((_, left)) = applied.iter_mut().find(|(name, _)| name == service)
                    && *left > 0
                {
                    *left -= 1;
                    continue;
                }
                let held = cx.slots().iter().find(|held| held.name == *service);
                let Some(held) = held else { continue };
                let apply = Arc::clone(&held.slot).apply_seed(cx.directory().join(path));
                let apply = cx.process().background.run(apply);
                let applying = || format!("applying the seed {}", path.display());
                let applied = report::waiting(applying, apply).await;
                applied.map_err(|error| error.described_by(held.describe_error))?;
            }
            Seed::Function(name, function) => {
                let running = || format!("running the seed function {name}");
                let called = report::waiting(running, function.call(cx)).await;
                called.map_err(|error| {
                    let error = Error::new(format!("run the seed function {name}")).because(error);
                    let describe = cx.slots().iter().map(|held| held.describe_error);
                    describe.fold(error, Error::described_by)
                })?;
            }
        }
    }
    Ok(())
}
