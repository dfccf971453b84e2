//! `login`, `logout`, `logins`, and what `remove` does with passwords.

use super::add::warn_of_password;
use super::args::{LoginArgs, LogoutArgs, RemoveArgs};
use super::change::change;
use super::exit::{Exit, Failed};
use super::face::Face;
use super::inputs::holds_password;
use super::words::{count, safe, time};
use crate::config::{Config, ConfigError, Keyring, read_password_file, read_password_line};
use crate::engine::{AccountStanding, Credential};
use crate::model::{Account, Change, Secret, Source, printable, without_userinfo};
use serde::Serialize;
use std::io;

/// What became of a login.
#[derive(Serialize)]
struct LoginAnswer {
    login: String,
    changed: bool,
    keyring: bool,
}

/// Stores a password.
pub(super) async fn login(face: &mut Face<'_>, args: LoginArgs) -> Result<Exit, Failed> {
    let config = face.config()?;
    let bare = args.target.split_once("://").map_or(args.target.as_str(), |(_, rest)| rest);
    if holds_password(&args.target) || bare.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) {
        warn_of_password(face);
    }
    let (mut account, own) = target(&args.target)?;
    let user = args.user.clone().or_else(|| face.around.user.clone());
    if account.user == Account::ANONYMOUS {
        let settings_user = || config.user(&account.host_key()).map(str::to_owned);
        account.user = user.or_else(settings_user).ok_or_else(|| {
            Failed::Usage("say whose password it is: `ftpq login USER@HOST`, or --user NAME".to_owned())
        })?;
    } else if args.user.is_some_and(|user| user != account.user) {
        return Err(Failed::Usage("--user and the user before the host differ; leave one of them out".to_owned()));
    }
    let login = account.credential();
    let secret = match (own, &args.password_file) {
        (Some(own), None) if !args.password_stdin => own,
        (Some(_), _) => return Err(Failed::Usage("two passwords are given; leave one of them out".to_owned())),
        (None, Some(path)) => read_password_file(path)?,
        (None, None) if args.password_stdin => from_input(face)?,
        (None, None) => match face.around.password.clone() {
            Some(secret) if face.around.user.as_ref() == Some(&account.user) => secret,
            _ => face.ask_password(&login).await?,
        },
    };
    let tls = demands_tls(&config, &account);
    let changed = if args.keyring {
        let name = login.clone();
        keyring(move |ring| ring.put(&name, &secret, tls)).await?
    } else {
        face.desk().await?.keep(Credential { account, secret, tls, stored: true }).await?
    };
    if face.global.json {
        face.say_json(&LoginAnswer { login, changed, keyring: args.keyring })?;
    } else {
        let alone = if tls { ", for TLS alone" } else { "" };
        let done = if changed { "stored" } else { "was stored already" };
        face.say(&format!("the password for {} {done}{}{alone}", safe(&login), place(args.keyring)))?;
    }
    Ok(Exit::Done)
}

/// Forgets a password.
pub(super) async fn logout(face: &mut Face<'_>, args: LogoutArgs) -> Result<Exit, Failed> {
    let (mut account, _) = target(&args.target)?;
    let named = args.user.or_else(|| Some(account.user.clone()).filter(|user| user != Account::ANONYMOUS));
    let gone = if args.keyring {
        let nobody = || Failed::Usage("say whose password it is: `ftpq logout --keyring USER@HOST`".to_owned());
        account.user = named.ok_or_else(nobody)?;
        let login = account.credential();
        let name = login.clone();
        keyring(move |ring| ring.remove(&name)).await?.then_some(login)
    } else {
        let desk = face.desk().await?;
        account.user = match named {
            Some(user) => user,
            None => only_user(&desk.accounts(None).await?, &account)?,
        };
        desk.forget(vec![account.credential()], false).await?.pop()
    };
    let Some(login) = gone else {
        let text = format!("no password for {} is stored{}", account.credential(), place(args.keyring));
        return Err(Failed::Usage(format!("{}; `ftpq logins` lists those that are", printable(&text, 300))));
    };
    if face.global.json {
        face.say_json(&LoginAnswer { login, changed: true, keyring: args.keyring })?;
    } else {
        face.say(&format!("the password for {} was forgotten{}", safe(&login), place(args.keyring)))?;
    }
    Ok(Exit::Done)
}

/// Lists accounts, never passwords.
pub(super) async fn list(face: &mut Face<'_>) -> Result<Exit, Failed> {
    let standings = face.desk().await?.accounts(None).await?;
    for standing in standings {
        if face.global.json {
            face.say_json(&standing)?;
        } else {
            face.say(&row(&standing))?;
        }
    }
    Ok(Exit::Done)
}

fn row(standing: &AccountStanding) -> String {
    let AccountStanding { login, account, jobs, kept, .. } = standing;
    let name = account.as_ref().map_or_else(|| login.clone(), Account::to_string);
    let mut words = vec![count(*jobs, "job")];
    words.push(match kept {
        Some(kept) if kept.known => "password stored".to_owned(),
        Some(_) => "password given with --no-store, not stored".to_owned(),
        None => "no password stored".to_owned(),
    });
    if kept.is_some_and(|kept| kept.tls) {
        words.push("for TLS alone".to_owned());
    }
    if let Some(at) = kept.and_then(|kept| kept.refused_at) {
        words.push(format!("refused since {}", time(at)));
    }
    format!("{}  {}", printable(&name, 200), words.join(", "))
}

/// `remove`, and with it the passwords that were for the removed jobs alone, where that is asked for.
pub(super) async fn remove(face: &mut Face<'_>, args: RemoveArgs) -> Result<Exit, Failed> {
    let forget = args.forget_login || face.config()?.forget_logins;
    let mut before: Vec<String> = Vec::new();
    if forget {
        let standings = face.desk().await?.accounts(None).await?;
        before.extend(standings.into_iter().filter(|it| it.jobs > 0 && it.kept.is_some()).map(|it| it.login));
        before.dedup();
    }
    let exit = change(face, args.which, Change::Remove).await?;
    if before.is_empty() {
        return Ok(exit);
    }
    let mut gone = face.desk().await?.forget(before, true).await?;
    gone.sort();
    if !gone.is_empty() && !face.global.json {
        face.say(&format!("forgot {}", count(gone.len() as u64, "password")))?;
        for login in gone {
            face.say(&format!("  {}", safe(&login)))?;
        }
    }
    Ok(exit)
}

/// The account that is named, and a password that stands beside it.
fn target(text: &str) -> Result<(Account, Option<Secret>), Failed> {
    let text = text.trim();
    let url = if text.contains("://") { text.to_owned() } else { format!("ftp://{text}") };
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let authority = rest.split('/').next().unwrap_or_default();
    let parsed = Source::parse(&format!("{scheme}://{authority}/-"));
    let (source, secret) = parsed.map_err(|e| {
        let shown = printable(&without_userinfo(text), 200);
        Failed::Usage(format!("{shown}: {e}; write USER@HOST, USER@HOST:PORT or a URL"))
    })?;
    Ok((source.account().clone(), secret))
}

fn demands_tls(config: &Config, account: &Account) -> bool {
    config.settings_for(&account.host_key()).tls.unwrap_or_default().is_required(account.scheme)
}

fn from_input(face: &mut Face<'_>) -> Result<Secret, Failed> {
    let input = face.input.take().ok_or_else(|| Failed::Usage("standard input was read already".to_owned()))?;
    Ok(read_password_line(input, "standard input".as_ref())?)
}

/// The one user of a host whose password is stored.
fn only_user(standings: &[AccountStanding], account: &Account) -> Result<String, Failed> {
    let host = format!("@{}", account.host_key());
    let stored = standings.iter().filter(|it| it.kept.is_some()).filter_map(|it| it.login.strip_suffix(&host));
    let mut users: Vec<&str> = stored.collect();
    users.sort_unstable();
    users.dedup();
    match users[..] {
        [user] => Ok(user.to_owned()),
        [] => {
            Err(Failed::Usage(format!("no password for {} is stored; `ftpq logins` lists those that are", &host[1..])))
        }
        _ => {
            let named = printable(&users.join(", "), 200);
            Err(Failed::Usage(format!("passwords of several users are stored for {}: {named}; say whose", &host[1..])))
        }
    }
}

/// Does something with the keyring, which may have to wait for its user.
pub(super) async fn keyring<T: Send + 'static>(
    work: impl FnOnce(&Keyring) -> Result<T, ConfigError> + Send + 'static,
) -> Result<T, Failed> {
    let done = tokio::task::spawn_blocking(move || Keyring::open().and_then(|ring| work(&ring))).await;
    Ok(done.map_err(|e| Failed::Io("the keyring can't be asked".to_owned(), io::Error::other(e)))??)
}

fn place(keyring: bool) -> &'static str {
    if keyring { " in the keyring" } else { "" }
}
