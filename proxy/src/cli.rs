//! The command line: what was asked for, and the commands that need no running proxy.
//!
//! `check`, `schema` and `key` are done here; `run` goes back to `main`. This is the one place that prints for a person or a script.
//! Exit codes: 0 done, 1 the configuration has problems or the work failed, 2 the command line is wrong.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use forebay_mesh_config::{Loaded, Override, Problems, Snapshot, json_schema};

/// What is left to do.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Serve, with this configuration.
    Run(Source),
    /// Nothing: it is done, or it failed and the reason is told.
    Done(ExitCode),
}

/// Where the configuration comes from, at the start and at each reload: flags over environment over file over defaults.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) file: PathBuf,
    /// In the order in which they are applied: those of the environment, then flags.
    pub(crate) overrides: Vec<Override>,
}

impl Source {
    /// Reads and checks everything anew.
    pub(crate) fn load(&self) -> Result<Loaded, Problems> {
        Snapshot::load(&self.file, &self.overrides, &|name| std::env::var(name).ok())
    }

    fn new(file: PathBuf, flags: Vec<Override>) -> Self {
        // Variables that are not Unicode cannot be ours.
        let environment = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let mut overrides = Override::from_environment(environment);
        overrides.extend(flags);
        Source { file, overrides }
    }
}

/// Reads the process's arguments and does what needs no proxy. Wrong arguments, `--help` and `--version` end the process.
pub(crate) fn asked() -> Asked {
    match Cli::parse().command {
        Command::Run(Run { config, set }) => Asked::Run(Source::new(config, set)),
        Command::Check(Check { file, set }) => Asked::Done(check(&Source::new(file, set))),
        Command::Schema => Asked::Done(schema()),
        Command::Key { command: KeyCommand::New { name } } => Asked::Done(new_key(name)),
    }
}

const EXAMPLES: &str = "\
Examples:
  forebay run --config mesh-config/examples/quickstart.yaml
  forebay run --config forebay.yaml --set listen.api=0.0.0.0:8080 --set telemetry.log=debug
  FOREBAY__TELEMETRY__LOG=debug forebay run --config forebay.yaml
  forebay check forebay.yaml
  forebay key new alice >> keys.yaml

A value is taken from --set, else from a FOREBAY__ variable, else from the file,
else from the defaults.";

/// Stands in front of a model: limits, batches, gates and measures the requests that it gets.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, about, after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const SCHEMA_HELP: &str = "\
Examples:
  forebay schema > forebay.schema.json

An editor with a YAML language server then completes and checks a file that begins with
  # yaml-language-server: $schema=forebay.schema.json";

#[derive(Debug, Subcommand)]
enum Command {
    Run(Run),
    Check(Check),
    /// Print the JSON Schema of the configuration, for editors.
    #[command(after_help = SCHEMA_HELP)]
    Schema,
    /// Make API keys.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
}

const RUN_HELP: &str = "\
Examples:
  forebay run --config forebay.yaml
  FOREBAY_CONFIG=/etc/forebay/forebay.yaml forebay run
  forebay run --config forebay.yaml --set limits.quotas.0.token_bucket.rate=100/s

While it runs, a changed file is loaded by itself, and SIGHUP loads it at once.
A file with problems changes nothing; /ready?verbose on the admin listener lists
them. SIGTERM drains and ends; SIGINT (Ctrl-C) does so without the wait for load
balancers.";

/// Serve until told to stop.
#[derive(Args, Debug)]
#[command(after_help = RUN_HELP)]
struct Run {
    /// The configuration: one YAML file.
    #[arg(long, short, value_name = "FILE", env = "FOREBAY_CONFIG")]
    config: PathBuf,
    /// Replace one value of the file; may be given often. PATH is keys and list positions joined by dots, VALUE is YAML.
    #[arg(long, value_name = "PATH=VALUE", value_parser = Override::from_flag)]
    set: Vec<Override>,
}

const CHECK_HELP: &str = "\
Examples:
  forebay check forebay.yaml
  forebay check forebay.yaml --set listen.api=0.0.0.0:8080

Each problem is a line with its place and what to write instead, and the exit
code is 1. FOREBAY__ variables and --set count as they do for `run`.";

/// Check a configuration and print every problem in it.
#[derive(Args, Debug)]
#[command(after_help = CHECK_HELP)]
struct Check {
    /// The configuration to check.
    file: PathBuf,
    /// Replace one value of the file, as for `run`.
    #[arg(long, value_name = "PATH=VALUE", value_parser = Override::from_flag)]
    set: Vec<Override>,
}

const KEY_HELP: &str = "\
Examples:
  forebay key new alice               shows the key and its entry
  forebay key new alice >> keys.yaml  adds the entry; the key is only shown

The key is shown once, on standard error. The entry for the configuration goes to
standard output and holds the key's SHA-256 alone.";

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key of 192 random bits.
    #[command(after_help = KEY_HELP)]
    New {
        /// Whose key it is. It names the principal in quotas; without it a name is made up.
        name: Option<String>,
    },
}

fn check(source: &Source) -> ExitCode {
    match source.load() {
        Ok(loaded) => print(format_args!("{}: ok, version {}", source.file.display(), loaded.snapshot.version)),
        Err(problems) => {
            print(&problems);
            ExitCode::FAILURE
        }
    }
}

fn schema() -> ExitCode {
    match serde_json::to_string_pretty(&json_schema()) {
        Ok(text) => print(text),
        Err(error) => fail(error),
    }
}

fn new_key(name: Option<String>) -> ExitCode {
    match forebay_identity::new_key() {
        Ok(key) => {
            note(format_args!("The key, shown this once: {key}"));
            print(key_entry(name, &key))
        }
        Err(error) => fail(error),
    }
}

/// An item of a list of keys. The digest is quoted: one of digits alone would be a number to YAML.
fn key_entry(name: Option<String>, key: &str) -> String {
    let digest: String = forebay_identity::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
    let name = name.unwrap_or_else(|| format!("key-{}", digest.get(..8).unwrap_or_default()));
    // JSON's strings are YAML's too.
    format!("- {{ name: {}, sha256: \"{digest}\" }}", serde_json::Value::from(name))
}

pub(crate) fn fail(error: impl Display) -> ExitCode {
    note(format_args!("forebay: {error}"));
    ExitCode::FAILURE
}

/// One line or more for whoever asked. A reader who has seen enough and left (`| head`) is no failure.
pub(crate) fn print(text: impl Display) -> ExitCode {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(format_args!("standard output cannot be written: {error}")),
    }
}

fn note(text: impl Display) {
    // There is nowhere left to say that this failed.
    writeln!(io::stderr(), "{text}").ok();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parsed(arguments: &str) -> Result<Command, ErrorKind> {
        let arguments = std::iter::once("forebay").chain(arguments.split_whitespace());
        Cli::try_parse_from(arguments).map(|cli| cli.command).map_err(|error| error.kind())
    }

    #[test]
    fn the_declarations_contradict_nothing() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_takes_a_file_and_any_number_of_values() {
        let Ok(Command::Run(run)) = parsed("run --config a.yaml --set listen.api=127.0.0.1:1 --set telemetry.log=a=debug,b=warn") else {
            panic!("not run");
        };
        assert_eq!(run.config, PathBuf::from("a.yaml"));
        let values: Vec<_> = run.set.iter().map(|one| (one.path.as_str(), one.value.as_str())).collect();
        assert_eq!(values, [("listen.api", "127.0.0.1:1"), ("telemetry.log", "a=debug,b=warn")]);
    }

    #[test]
    fn what_is_wrong_is_told_and_nothing_starts() {
        let cases = [
            ("", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
            ("run --config a.yaml --set listen.api", ErrorKind::ValueValidation),
            ("check", ErrorKind::MissingRequiredArgument),
            ("serve", ErrorKind::InvalidSubcommand),
            ("--version", ErrorKind::DisplayVersion),
            ("key new a b", ErrorKind::UnknownArgument),
        ];
        for (arguments, kind) in cases {
            assert_eq!(parsed(arguments).map(|_| ()), Err(kind), "forebay {arguments}");
        }
    }

    #[test]
    fn every_command_teaches_by_example() {
        let mut cli = Cli::command();
        for path in ["run", "check", "schema", "key new"] {
            let command = path.split(' ').fold(&mut cli, |command, name| command.find_subcommand_mut(name).unwrap());
            assert!(command.render_help().to_string().contains(&format!("  forebay {path}")), "{path}");
        }
    }

    #[test]
    fn flags_are_applied_after_the_environment() {
        let flag = Override::from_flag("telemetry.log=warn").unwrap();
        assert_eq!(Source::new("a.yaml".into(), vec![flag.clone()]).overrides.last(), Some(&flag));
    }

    #[test]
    fn a_key_entry_holds_a_name_and_a_digest_and_no_key() {
        // printf fb_test | sha256sum
        let digest = "1c4aa70137f20534918dedc0cebd209cffa2ad34fdd9585b2a2372b2a8a53c15";
        assert_eq!(key_entry(Some("alice".into()), "fb_test"), format!("- {{ name: \"alice\", sha256: \"{digest}\" }}"));
        assert_eq!(key_entry(None, "fb_test"), format!("- {{ name: \"key-{}\", sha256: \"{digest}\" }}", &digest[..8]));
        assert!(key_entry(Some("a\"b".into()), "fb_test").contains(r#"name: "a\"b","#));
    }
}
