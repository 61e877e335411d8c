use clap::Parser;
use library::{Size, generate};
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

/// Write a book library as SQL for psql: books, authors and categories, users with preferences,
/// and three years of reviews and favourites
#[derive(Parser)]
#[command(after_help = "The same arguments always write the same bytes.\n\n\
    Example:\n  generate-library --seed 7 | psql -v ON_ERROR_STOP=1 books")]
struct Arguments {
    /// How many users
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..))]
    users: u32,
    /// How many books
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    books: u32,
    /// About how many reviews and favourites together; at most users × books / 10
    #[arg(long, default_value_t = 150_000)]
    interactions: u32,
    /// Another seed gives another library of the same kind
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Also write the schema oculto: the tastes behind what users do
    #[arg(long)]
    hidden: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let size = Size {
        users: arguments.users as usize,
        books: arguments.books as usize,
        interactions: arguments.interactions as usize,
    };
    if size.interactions > size.max_interactions() {
        let most = size.max_interactions();
        eprintln!(
            "error: {} interactions do not fit: ask for at most {most}, or for more users or books",
            size.interactions
        );
        return ExitCode::from(2);
    }
    match write(&size, &arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // `generate-library | head` is not a failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write the library to standard output: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(size: &Size, arguments: &Arguments) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let library = generate(size, arguments.seed);
    library.write_sql(&mut out)?;
    if arguments.hidden {
        library.write_hidden_sql(&mut out)?;
    }
    out.flush()
}
