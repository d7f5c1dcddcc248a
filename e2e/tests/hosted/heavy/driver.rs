//! Drives Chromium through chromedriver (W3C WebDriver), as far as these tests need it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// Longest wait for something to appear, and how often to look.
const DEADLINE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The key that WebDriver puts before the id of an element (§12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const SPACE: &str = " ";

/// How a browser looks at pages.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub width: u32,
    pub height: u32,
    pub has_scripts: bool,
    pub is_dark: bool,
}

impl Look {
    pub const DESK: Self = Self { width: 1280, height: 900, has_scripts: true, is_dark: false };
    pub const WITHOUT_SCRIPTS: Self = Self { has_scripts: false, ..Self::DESK };
    pub const DARK: Self = Self { is_dark: true, ..Self::DESK };
    /// The width at which pages must still reflow (WCAG 2.2, 1.4.10).
    pub const SMALL: Self = Self { width: 320, height: 640, ..Self::DESK };
}

/// A browser of its own: no cookies, no history.
pub struct Browser {
    driver: Child,
    http: Client,
    session: String,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A browser outlives its chromedriver unless it is told to end (WebDriver §8.2).
        let _ = self.end();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Browser {
    /// Ends the browser and waits until it has; without the runtime, which may be ending too.
    fn end(&self) -> std::io::Result<()> {
        let at = self.session.trim_start_matches("http://");
        let Some((address, path)) = at.split_once('/') else { return Ok(()) };
        let mut line = TcpStream::connect(address)?;
        line.set_read_timeout(Some(DEADLINE))?;
        write!(line, "DELETE /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
        line.read(&mut [0; 64]).map(drop)
    }

    pub async fn open(look: Look) -> Self {
        Self::open_with(look, "normal").await
    }

    /// One that lets its driver go on while a page still loads: some never finish.
    pub async fn open_impatient(look: Look) -> Self {
        Self::open_with(look, "none").await
    }

    /// `waits` is a page load strategy (WebDriver §8.1).
    async fn open_with(look: Look, waits: &str) -> Self {
        let mut driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let (tell, port) = tokio::sync::oneshot::channel();
        // Its output is read to the end, so that it never waits for us.
        std::thread::spawn(move || {
            let said = "ChromeDriver was started successfully on port ";
            let mut ports = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix(said).map(str::to_owned));
            let _ = ports.next().map(|port| tell.send(port.trim_end_matches('.').to_owned()));
            ports.for_each(drop);
        });
        let port = port.await.unwrap();
        let mut browser = Self {
            driver,
            http: Client::builder().timeout(DEADLINE).build().unwrap(),
            session: format!("http://127.0.0.1:{port}/session"),
        };
        let scripts = if look.has_scripts { 1 } else { 2 };
        let size = format!("--window-size={},{}", look.width, look.height);
        let options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--lang=en", size],
            "prefs": { "profile.managed_default_content_settings.javascript": scripts, "intl.accept_languages": "en" },
        });
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "pageLoadStrategy": waits, "goog:chromeOptions": options } } });
        let made = browser.call(Method::POST, "", wanted).await;
        browser.session = format!("{}/{}", browser.session, made["sessionId"].as_str().unwrap());
        let features =
            json!([{ "name": "prefers-color-scheme", "value": if look.is_dark { "dark" } else { "light" } }]);
        browser.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
        // The window cannot be made as narrow as a telephone; what the page sees can.
        let size = json!({ "width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": false });
        browser.devtools("Emulation.setDeviceMetricsOverride", size).await;
        browser
    }

    async fn devtools(&self, command: &str, params: Value) {
        self.call(Method::POST, "/goog/cdp/execute", json!({ "cmd": command, "params": params })).await;
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Result<Value, Value> {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.session));
        if method == Method::POST {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let is_good = response.status().is_success();
        let value = response.json::<Value>().await.unwrap()["value"].take();
        if is_good { Ok(value) } else { Err(value) }
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        self.ask(method, path, body).await.unwrap_or_else(|problem| panic!("{path}: {problem}"))
    }

    pub async fn go(&self, url: &str) {
        self.call(Method::POST, "/url", json!({ "url": url })).await;
    }

    pub async fn url(&self) -> String {
        self.call(Method::GET, "/url", Value::Null).await.as_str().unwrap().to_owned()
    }

    /// Waits until the address starts like this.
    pub async fn arrives_at(&self, start: &str) -> String {
        let found = tokio::time::timeout(DEADLINE, async {
            loop {
                let url = self.url().await;
                if url.starts_with(start) {
                    return url;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        match found.await {
            Ok(url) => url,
            Err(_) => panic!("still at {}, not at {start}", self.url().await),
        }
    }

    async fn find(&self, css: &str) -> Option<String> {
        let found = self.ask(Method::POST, "/element", json!({ "using": "css selector", "value": css })).await;
        Some(found.ok()?[ELEMENT].as_str().unwrap().to_owned())
    }

    /// Waits for an element.
    async fn element(&self, css: &str) -> String {
        let found = tokio::time::timeout(DEADLINE, async {
            loop {
                if let Some(id) = self.find(css).await {
                    return id;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        match found.await {
            Ok(id) => id,
            Err(_) => panic!("no {css} at {}: {}", self.url().await, self.source().await),
        }
    }

    pub async fn has(&self, css: &str) -> bool {
        self.find(css).await.is_some()
    }

    pub async fn source(&self) -> String {
        self.call(Method::GET, "/source", Value::Null).await.as_str().unwrap().to_owned()
    }

    pub async fn text(&self, css: &str) -> String {
        let element = self.element(css).await;
        let text = self.call(Method::GET, &format!("/element/{element}/text"), Value::Null).await;
        text.as_str().unwrap().to_owned()
    }

    /// The text of an element, if it is there and stays while it is looked at.
    async fn text_now(&self, css: &str) -> Option<String> {
        let element = self.find(css).await?;
        let text = self.ask(Method::GET, &format!("/element/{element}/text"), Value::Null).await.ok()?;
        text.as_str().map(str::to_owned)
    }

    /// Waits until the text of an element starts like this, which pages have that look alike; returns all of it.
    pub async fn waits_until(&self, css: &str, start: &str) -> String {
        let found = tokio::time::timeout(DEADLINE, async {
            loop {
                if let Some(text) = self.text_now(css).await.filter(|text| text.starts_with(start)) {
                    return text;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        found.await.unwrap_or_else(|_| panic!("{css} never says {start}"))
    }

    pub async fn property(&self, css: &str, name: &str) -> Value {
        let element = self.element(css).await;
        self.call(Method::GET, &format!("/element/{element}/property/{name}"), Value::Null).await
    }

    /// What a screen reader calls an element (WebDriver §12.4.9).
    pub async fn label(&self, css: &str) -> String {
        let element = self.element(css).await;
        let label = self.call(Method::GET, &format!("/element/{element}/computedlabel"), Value::Null).await;
        label.as_str().unwrap().to_owned()
    }

    pub async fn click(&self, css: &str) {
        let element = self.element(css).await;
        self.call(Method::POST, &format!("/element/{element}/click"), json!({})).await;
    }

    pub async fn fill(&self, css: &str, text: &str) {
        let element = self.element(css).await;
        self.call(Method::POST, &format!("/element/{element}/clear"), json!({})).await;
        self.call(Method::POST, &format!("/element/{element}/value"), json!({ "text": text })).await;
    }

    /// Presses keys, wherever the focus is.
    pub async fn keys(&self, text: &str) {
        let press = |key: char| {
            [
                json!({ "type": "keyDown", "value": key.to_string() }),
                json!({ "type": "keyUp", "value": key.to_string() }),
            ]
        };
        let actions: Vec<Value> = text.chars().flat_map(press).collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.call(Method::POST, "/actions", json!({ "actions": [keyboard] })).await;
    }

    /// The id of the element that has the focus.
    pub async fn focused(&self) -> String {
        self.run("return document.activeElement.id").await.as_str().unwrap().to_owned()
    }

    pub async fn run(&self, script: &str) -> Value {
        self.call(Method::POST, "/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Waits until a script finds a text that is not empty.
    pub async fn waits_for(&self, script: &str) -> String {
        let found = tokio::time::timeout(DEADLINE, async {
            loop {
                if let Some(text) = self.run(script).await.as_str().filter(|text| !text.is_empty()) {
                    return text.to_owned();
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        match found.await {
            Ok(text) => text,
            Err(_) => panic!("{script} finds nothing at {}: {}", self.url().await, self.source().await),
        }
    }

    /// The tab that it looks at.
    pub async fn tab(&self) -> String {
        self.call(Method::GET, "/window", Value::Null).await.as_str().unwrap().to_owned()
    }

    /// Opens another tab and looks at it.
    pub async fn new_tab(&self) -> String {
        let made = self.call(Method::POST, "/window/new", json!({ "type": "tab" })).await;
        let tab = made["handle"].as_str().unwrap().to_owned();
        self.enter_tab(&tab).await;
        tab
    }

    /// Looks at another tab.
    pub async fn enter_tab(&self, tab: &str) {
        self.call(Method::POST, "/window", json!({ "handle": tab })).await;
    }

    /// Looks into the first frame of the page.
    pub async fn enter_frame(&self) {
        let frame = self.element("iframe").await;
        self.call(Method::POST, "/frame", json!({ "id": { ELEMENT: frame } })).await;
    }

    /// Keeps a picture of the page.
    pub async fn picture(&self, name: &str) {
        let png = self.call(Method::GET, "/screenshot", Value::Null).await;
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), STANDARD.decode(png.as_str().unwrap()).unwrap()).unwrap();
    }
}
