//! The whole API in this process, over CRMs with the replies of a case.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::raw_request;
use crate::test_gateway::{Link, TestGateway, signed};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    Aptly,
    Pipeline,
}

/// The caller's operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    List,
    Count,
    Upsert,
    Get,
    Update,
    Create,
}

/// The replies to the calls of one case.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) provider: Provider,
    pub(crate) operation: Operation,
    /// The status of the replies with `body`.
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// What the CRM served.
#[derive(Clone, Copy, Default)]
pub(crate) struct Served {
    pub(crate) bytes: u64,
    pub(crate) replies: u64,
}

#[derive(Default)]
struct Stage {
    case: Option<Case>,
    served: Served,
}

/// The API, and one credential for each CRM.
pub(crate) struct World {
    gateway: Arc<TestGateway>,
    credentials: [String; 2],
    stage: Arc<Mutex<Stage>>,
}

impl Operation {
    pub(crate) const ALL: [Self; 6] =
        [Self::List, Self::Count, Self::Upsert, Self::Get, Self::Update, Self::Create];

    /// The method, the path, and the start of its query; the credential's id follows.
    const fn request(self) -> (&'static str, &'static str) {
        match self {
            Self::List => ("GET", "?pageSize=100&"),
            Self::Count => ("GET", "/count?"),
            Self::Upsert => ("POST", "/upsert?matchOn=emailAddress,phoneNumber&"),
            Self::Get => ("GET", "/1?"),
            Self::Update => ("PATCH", "/1?"),
            Self::Create => ("POST", "?"),
        }
    }

    fn body(self) -> Option<String> {
        let person = json!({ "firstName": "Jane", "lastName": "Doe",
            "emailAddresses": [{ "emailAddress": "jane.doe@example.com" }],
            "phoneNumbers": [{ "phoneNumber": "+14165550100" }] });
        match self {
            Self::List | Self::Count | Self::Get => None,
            Self::Create | Self::Upsert | Self::Update => Some(person.to_string()),
        }
    }
}

/// Well-formed replies to every operation.
pub(crate) fn well_formed(provider: Provider) -> Vec<Case> {
    let case = |operation: Operation| {
        let body = match operation {
            Operation::List | Operation::Count | Operation::Upsert => seed(provider, "list"),
            Operation::Get | Operation::Update => seed(provider, "single"),
            Operation::Create => seed(provider, "written"),
        };
        Case { provider, operation, status: 200, body: body.as_bytes().to_vec() }
    };
    Operation::ALL.map(case).to_vec()
}

/// A well-formed reply; the id of every contact is 1.
pub(crate) fn seed(provider: Provider, what: &str) -> &'static str {
    match (provider, what) {
        (Provider::Aptly, "list") => {
            r#"{"data":[{"_id":"1","firstname":"Jane","lastname":"Doe","fullname":"Jane Doe","email":["jane.doe@example.com","j@example.com"],"phone":[{"number":"+14165550100","type":"mobile"},{"number":"4165550101","type":"work"}],"address":{"street":"1 Main","city":"Springfield","zip":"90000"},"createdAt":"2026-05-01T14:30:00.000Z","updatedAt":"2026-05-15T09:12:00.000Z","customFields":{"DbJT6rMdnuds7vSbP":{"name":"Budget","value":7}}}],"count":1,"page":0,"pageSize":200}"#
        }
        (Provider::Aptly, _) => {
            r#"{"_id":"1","First Name":"Jane","Last Name":"Doe","company":"Northwind","isCompany":false,"Email":"jane.doe@example.com","Phone":"+14165550100","Mobile Phone":"4165550101","typeId":"x","customFields":{"DbJT6rMdnuds7vSbP":{"name":"Budget","value":7}},"title":"Owner"}"#
        }
        (Provider::Pipeline, "list") => {
            r#"{"success":true,"data":{"contacts":[{"_id":"1","firstName":"Jane","lastName":"Doe","phoneNumber":[{"value":"+14165550101","isPrimary":false},{"value":"+14165550100","isPrimary":true,"verifiedAt":"2026-05-02T00:00:00.000Z"}],"secondaryPhoneNumber":["+14165550102"],"email":[{"value":"jane.doe@example.com","isPrimary":true}],"status":"Qualified","assignees":[{"_id":"2","fullName":"Robin"}],"createdAt":"2026-05-01T14:30:00.000Z","updatedAt":"2026-05-15T09:12:00.000Z"}],"total":1},"contacts":[{"_id":"1"}],"total":1}"#
        }
        (Provider::Pipeline, "single") => {
            r#"{"_id":"1","firstName":"Jane","lastName":"Doe","phoneNumber":[{"value":"+14165550100","isPrimary":true}],"secondaryPhoneNumber":[],"email":"jane.doe@example.com","status":"New Lead","pipelineId":"3","assignees":["4"],"createdAt":"2026-05-01T14:30:00.000Z","lastMessageTime":"2026-05-14T08:00:00.000Z"}"#
        }
        (Provider::Pipeline, _) => {
            r#"{"success":true,"message":"Contact updated successfully","data":{"contact":{"_id":"1","firstName":"Jane","lastName":"Doe","status":"Qualified"},"message":"Contact updated"},"contact":{"_id":"1","phoneNumber":[{"value":"+14165550100"}]}}"#
        }
    }
}

impl Case {
    /// Writes it to a file in `folder`. Returns the path.
    pub(crate) fn keep(&self, folder: &Path, name: &str) -> String {
        std::fs::create_dir_all(folder).unwrap();
        let Self { provider, operation, status, body } = self;
        let file = folder.join(format!("{name}.{provider:?}.{operation:?}.{status}"));
        std::fs::write(&file, body).unwrap();
        file.display().to_string()
    }

    /// The cases in `folder`, ordered by file name.
    pub(crate) fn kept(folder: &Path) -> Vec<Self> {
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let read = |file: &std::path::PathBuf| {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let [_, provider, operation, status] = name.split('.').collect::<Vec<_>>()[..] else {
                return None;
            };
            Some(Self {
                provider: if provider == "Aptly" { Provider::Aptly } else { Provider::Pipeline },
                operation: Operation::ALL.into_iter().find(|known| format!("{known:?}") == operation)?,
                status: status.parse().ok()?,
                body: std::fs::read(file).unwrap(),
            })
        };
        files.iter().filter_map(read).collect()
    }

    /// The reply to one call.
    fn reply(&self, method: &str, path: &str) -> (u16, Vec<u8>) {
        let is_list = method == "GET" && path == "/api/contacts";
        let listed = matches!(self.operation, Operation::List | Operation::Count | Operation::Upsert);
        match self.operation {
            // The contact to create does not exist yet.
            Operation::Create if is_list => (200, br#"{"data":[],"count":0,"total":0}"#.to_vec()),
            _ if is_list == listed => (self.status, self.body.clone()),
            // The list shows the same record as the single read.
            _ if is_list => (200, [br#"{"data":["#, self.body.as_slice(), b"]}"].concat()),
            _ => (200, seed(self.provider, "single").as_bytes().to_vec()),
        }
    }
}

impl World {
    pub(crate) async fn open() -> Self {
        let (gateway, stage) = (TestGateway::open().await, Arc::new(Mutex::new(Stage::default())));
        let base_url = serve(Arc::clone(&stage)).await;
        let mut credentials = Vec::new();
        for provider in ["aptly", "pipeline"] {
            let (base_url, settings) = (base_url.clone(), json!({}));
            let link = Link { base_url, secret: "a-token-of-the-fuzz-tests", settings, verify: false };
            let made = gateway.link(&gateway.caller, provider, link).await.unwrap();
            credentials.push(made.as_str().to_owned());
        }
        Self { gateway, credentials: credentials.try_into().unwrap(), stage }
    }

    /// Runs the operation of `case` with its replies, and reads the whole response. Returns its status.
    pub(crate) async fn run(&self, case: &Case) -> u16 {
        self.stage.lock().unwrap().case = Some(case.clone());
        let (method, path) = case.operation.request();
        let credential = &self.credentials[usize::from(case.provider == Provider::Pipeline)];
        let request = signed(method, &format!("/crm/contacts{path}credentialId={credential}"))
            // A wrong total makes a count continue.
            .header("x-request-timeout-ms", "1000")
            .header("content-type", "application/json");
        let body = case.operation.body().map_or_else(Body::empty, Body::from);
        self.gateway.send(request.body(body).unwrap()).await.status
    }

    /// The replies served since the last call of this method.
    pub(crate) fn take_served(&self) -> Served {
        std::mem::take(&mut self.stage.lock().unwrap().served)
    }
}

/// Starts a CRM that replies as `stage` says. Returns its base URL.
async fn serve(stage: Arc<Mutex<Stage>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let stage = Arc::clone(&stage);
            tokio::spawn(async move {
                let _ = answer(socket, &stage).await;
            });
        }
    });
    format!("http://{address}")
}

async fn answer(mut socket: TcpStream, stage: &Mutex<Stage>) -> std::io::Result<()> {
    while let Some(request) = raw_request::read(&mut socket).await? {
        let (status, body) = {
            let mut stage = stage.lock().unwrap();
            let Some(case) = &stage.case else { return Ok(()) };
            let (status, body) = case.reply(&request.method, &request.path);
            stage.served.bytes += body.len() as u64;
            stage.served.replies += 1;
            (status, body)
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        // One write: the second of two would wait for an acknowledgement.
        socket.write_all(&[head.as_bytes(), &body].concat()).await?;
    }
    Ok(())
}
