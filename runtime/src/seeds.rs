//! Seeds: files and functions that fill a test's services before its body runs.

use std::error::Error as StdError;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use sqlx::Connection;

use crate::migrations::Script;
use crate::{Error, FromContext, Result, TestContext, command_file};

/// One entry of `seeds(…)`, in the order written.
pub enum Seed<D> {
    /// An SQL file or a Redis command file, relative to the crate's directory.
    File(&'static str),
    /// An async function, by the name it was written with.
    Function(&'static str, Box<dyn SeedCall<D>>),
}

impl<D: 'static> Seed<D> {
    /// A file, relative to the crate's directory or absolute.
    #[must_use]
    pub fn file(path: &'static str) -> Self {
        Self::File(path)
    }

    /// A function, with the name to report it by.
    pub fn function<A, F>(name: &'static str, function: F) -> Self
    where
        F: SeedFunction<A, Output: SeedOutput>,
        A: SeedArguments<D> + 'static,
    {
        Self::Function(
            name,
            Box::new(Call {
                function,
                arguments: std::marker::PhantomData,
            }),
        )
    }
}

/// A seed function whose argument types are forgotten.
pub trait SeedCall<D> {
    /// Injects the arguments and calls the function.
    fn call<'a>(&'a self, cx: &'a TestContext<D>)
    -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;
}

struct Call<F, A> {
    function: F,
    arguments: std::marker::PhantomData<fn() -> A>,
}

impl<D, A, F> SeedCall<D> for Call<F, A>
where
    F: SeedFunction<A, Output: SeedOutput>,
    A: SeedArguments<D>,
{
    fn call<'a>(
        &'a self,
        cx: &'a TestContext<D>,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>> {
        Box::pin(async {
            let output = self.function.call(A::inject(cx).await?).await;
            output
                .into_result()
                .map_err(|error| Error::new("run the seed").because(error))
        })
    }
}

/// An async function by the number of its arguments: whether they can be injected is a question
/// apart, so that the compiler's answer names the argument at fault.
#[diagnostic::on_unimplemented(
    message = "this is not a seed function",
    label = "not an `async fn` of up to eight arguments",
    note = "a seed is an `async fn` of up to eight injectable arguments that returns `()` or `Result<(), E>`"
)]
pub trait SeedFunction<A>: 'static {
    /// What the function returns once it has run.
    type Output;

    /// Calls the function.
    fn call(&self, arguments: A) -> impl Future<Output = Self::Output>;
}

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
    fn into_result(self) -> Result<(), Box<dyn StdError + Send + Sync>>;
}

impl SeedOutput for () {
    fn into_result(self) -> Result<(), Box<dyn StdError + Send + Sync>> {
        Ok(())
    }
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> SeedOutput for Result<(), E> {
    fn into_result(self) -> Result<(), Box<dyn StdError + Send + Sync>> {
        self.map_err(Into::into)
    }
}

macro_rules! seed_functions {
    ($($argument:ident),*) => {
        impl<Fun, Fut, $($argument,)*> SeedFunction<($($argument,)*)> for Fun
        where
            Fun: Fn($($argument),*) -> Fut + 'static,
            Fut: Future,
        {
            type Output = Fut::Output;

            #[allow(non_snake_case)]
            fn call(&self, ($($argument,)*): ($($argument,)*)) -> impl Future<Output = Fut::Output> {
                self($($argument),*)
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

/// The SQL files that come before anything else: they are part of the template.
pub(crate) fn leading_scripts<D>(directory: &Path, seeds: &[Seed<D>]) -> Vec<PathBuf> {
    leading(seeds).map(|path| directory.join(path)).collect()
}

fn leading<D>(seeds: &[Seed<D>]) -> impl Iterator<Item = &'static str> {
    seeds.iter().map_while(|seed| match seed {
        Seed::File(path) if !is_redis(path) => Some(*path),
        _ => None,
    })
}

fn is_redis(path: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("redis"))
}

/// Applies the seeds that are not part of the template, in order.
pub(crate) async fn run<D>(cx: &TestContext<D>, seeds: &[Seed<D>]) -> Result<()> {
    for seed in &seeds[leading(seeds).count()..] {
        match seed {
            Seed::File(path) if is_redis(path) => {
                command_file::apply(&cx.directory().join(path), &cx.redis()?.info()?).await?;
            }
            Seed::File(path) => {
                let script = Script::read(&cx.directory().join(path))?;
                let mut connection = cx.postgres()?.connect().await?;
                script.apply(&mut connection).await?;
                // The work is done; one that is not closed properly is closed by the server.
                let _ = connection.close().await;
            }
            Seed::Function(name, function) => {
                function.call(cx).await.map_err(|error| {
                    Error::new(format!("run the seed function {name}")).because(error)
                })?;
            }
        }
    }
    Ok(())
}
