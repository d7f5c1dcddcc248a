//! What the pages say, in each language. A text that is missing in one of them does not compile.

/// The texts of one language.
pub(super) struct Texts {
    pub(super) sign_in: &'static str,
    pub(super) to_continue_to: &'static str,
    pub(super) email: &'static str,
    pub(super) password: &'static str,
    pub(super) remember: &'static str,
    pub(super) refused: &'static str,
    pub(super) busy: &'static str,
    pub(super) signing_in: &'static str,
    pub(super) go_on: &'static str,
    pub(super) sign_out: &'static str,
    pub(super) sign_out_question: &'static str,
    pub(super) sign_out_text: &'static str,
    pub(super) telling: &'static str,
    pub(super) for_developers: &'static str,
    pub(super) bad_sign_in_link: Said,
    pub(super) bad_sign_out_link: Said,
    pub(super) form_too_old: Said,
    pub(super) sign_out_too_old: Said,
    pub(super) no_cookies: Said,
    pub(super) signed_out: Said,
    pub(super) unavailable: Said,
    pub(super) broken: Said,
    pub(super) refused_request: Said,
    pub(super) not_found: Said,
    pub(super) wrong_method: Said,
    pub(super) too_long: Said,
}

/// A page that only says something: title and text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said(pub(super) &'static str, pub(super) &'static str);

pub(super) const ENGLISH: Texts = Texts {
    sign_in: "Sign in",
    to_continue_to: "to continue to",
    email: "E-mail address",
    password: "Password",
    remember: "Keep me signed in on this device",
    refused: "E-mail address or password is not right.",
    busy: "Too many people are signing in right now. Please try again in a moment.",
    signing_in: "Signing in",
    go_on: "Continue",
    sign_out: "Sign out",
    sign_out_question: "Sign out?",
    sign_out_text: "This ends your session here and in the applications that you opened with it.",
    telling: "The applications are being told. You will be taken on in a moment.",
    for_developers: "For developers:",
    bad_sign_in_link: Said(
        "This sign-in link does not work",
        "Go back to the application and try again. If it happens again, tell those who run the application.",
    ),
    bad_sign_out_link: Said(
        "This sign-out link does not work",
        "You may still be signed in. Go back to the application and sign out there.",
    ),
    form_too_old: Said(
        "Please start again",
        "This sign-in page is too old or was opened elsewhere. Go back to the application and sign in from there.",
    ),
    sign_out_too_old: Said("Please start again", "This page is too old or was opened elsewhere."),
    no_cookies: Said(
        "Cookies are needed",
        "Your browser did not send the cookie of the sign-in page. Allow cookies for this site, then go back to the \
         application and sign in from there.",
    ),
    signed_out: Said("You are signed out", "You can close this page."),
    unavailable: Said("Please try again", "Signing in is not possible at the moment. Please try again shortly."),
    broken: Said("Something went wrong", "This is our fault. Please try again."),
    refused_request: Said("This does not work", "The request cannot be answered."),
    not_found: Said("Not found", "There is nothing at this address."),
    wrong_method: Said("This page cannot be opened like this", "Go back to the application and start from there."),
    too_long: Said("Request too long", "The address of this request is too long."),
};

pub(super) const GERMAN: Texts = Texts {
    sign_in: "Anmelden",
    to_continue_to: "weiter zu",
    email: "E-Mail-Adresse",
    password: "Passwort",
    remember: "Auf diesem Gerät angemeldet bleiben",
    refused: "E-Mail-Adresse oder Passwort stimmt nicht.",
    busy: "Gerade melden sich zu viele Personen an. Bitte versuchen Sie es gleich noch einmal.",
    signing_in: "Anmeldung",
    go_on: "Weiter",
    sign_out: "Abmelden",
    sign_out_question: "Abmelden?",
    sign_out_text: "Damit endet Ihre Sitzung hier und in den Anwendungen, die Sie damit geöffnet haben.",
    telling: "Die Anwendungen werden benachrichtigt. Es geht gleich weiter.",
    for_developers: "Für die Entwicklung:",
    bad_sign_in_link: Said(
        "Dieser Anmeldelink funktioniert nicht",
        "Gehen Sie zur Anwendung zurück und versuchen Sie es noch einmal. Geschieht es wieder, sagen Sie es denen, die \
         die Anwendung betreiben.",
    ),
    bad_sign_out_link: Said(
        "Dieser Abmeldelink funktioniert nicht",
        "Sie sind vielleicht noch angemeldet. Gehen Sie zur Anwendung zurück und melden Sie sich dort ab.",
    ),
    form_too_old: Said(
        "Bitte beginnen Sie neu",
        "Diese Anmeldeseite ist zu alt oder wurde anderswo geöffnet. Gehen Sie zur Anwendung zurück und melden Sie sich \
         von dort aus an.",
    ),
    sign_out_too_old: Said("Bitte beginnen Sie neu", "Diese Seite ist zu alt oder wurde anderswo geöffnet."),
    no_cookies: Said(
        "Cookies werden gebraucht",
        "Ihr Browser hat das Cookie der Anmeldeseite nicht gesendet. Erlauben Sie Cookies für diese Seite, gehen Sie zur \
         Anwendung zurück und melden Sie sich von dort aus an.",
    ),
    signed_out: Said("Sie sind abgemeldet", "Sie können diese Seite schließen."),
    unavailable: Said(
        "Bitte versuchen Sie es noch einmal",
        "Die Anmeldung ist im Augenblick nicht möglich. Bitte versuchen Sie es in Kürze noch einmal.",
    ),
    broken: Said("Etwas ist schiefgegangen", "Das ist unser Fehler. Bitte versuchen Sie es noch einmal."),
    refused_request: Said("Das geht nicht", "Die Anfrage kann nicht beantwortet werden."),
    not_found: Said("Nicht gefunden", "Unter dieser Adresse gibt es nichts."),
    wrong_method: Said(
        "Diese Seite lässt sich so nicht öffnen",
        "Gehen Sie zur Anwendung zurück und beginnen Sie dort.",
    ),
    too_long: Said("Anfrage zu lang", "Die Adresse dieser Anfrage ist zu lang."),
};
