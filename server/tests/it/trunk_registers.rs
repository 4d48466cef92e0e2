//! Trunks at which the server registers: the state in the API, and the calls that come on a registration.

use callfield_domain::{Seed, Timestamp};
use callfield_sip::digest::{Algorithm, Check, Credentials, Ha1, Signed, Verifier};
use callfield_sip::message::{Message, Method, NameAddr, RequestBuilder};
use callfield_sip::uri::Uri;
use http::{Method as HttpMethod, StatusCode};
use serde_json::{Value, json};

use crate::exchange::{Exchange, Trunk};
use crate::office::MORNING;
use crate::testing::{self, db_test};

const COMPANY: &str = "+81350001000";

db_test! {
    async fn the_server_registers_with_proof_and_calls_on_the_registration_are_the_companys(db: Db) {
        let exchange = Exchange::open(db).await;
        let (mut provider, register) = registered(&exchange).await;
        let state = &exchange.trunk_that_is("registered").await["registration"];
        assert_eq!((&state["host"], &state["since_at"]), (&json!("127.0.0.1"), &json!(MORNING)));

        // 480: the number is the company's, and its caller in nobody's records.
        assert_eq!(call(&mut provider, &register, COMPANY, 1).await, 480);
        assert_eq!(call(&mut provider, &register, "+81399999999", 2).await, 404);
        // By another name than that of the contact it is a stranger's call.
        let stranger = register.edit().set("Contact", "<sip:0350001000@edge.invalid>").build();
        assert_eq!(call(&mut provider, &stranger, COMPANY, 3).await, 403);
        let calls = exchange.office.get(&exchange.office.admin, "/v1/calls").await.body;
        assert_eq!(calls["calls"].as_array().unwrap().len(), 2);
    }

    async fn a_registration_that_is_refused_says_so_and_one_that_is_removed_is_taken_back(db: Db) {
        let exchange = Exchange::open(db).await;
        let mut provider = exchange.further_trunk(&exchange.office.admin, registering()).await;
        let register = provider.next().await;
        provider.answer(&register, 403, None).await;
        let state = &exchange.trunk_that_is("failing").await["registration"];
        assert_eq!((&state["status"], &state["since_at"]), (&json!(403), &json!(MORNING)));

        let (mut other, _) = registered(&exchange).await;
        let path = format!("/v1/trunks/{}", exchange.trunk_that_is("registered").await["id"].as_str().unwrap());
        let removed = exchange.office.ask(HttpMethod::DELETE, &path, Value::Null).await;
        assert_eq!(removed.status, StatusCode::NO_CONTENT);
        let goodbye = other.next().await;
        assert_eq!((goodbye.method(), goodbye.header("Expires")), (&Method::Register, Some("0")));
    }
}

impl Exchange {
    /// The trunk whose registration stands so, once one does.
    async fn trunk_that_is(&self, state: &str) -> Value {
        loop {
            let trunks = self.office.get(&self.office.admin, "/v1/trunks").await.body;
            let found =
                trunks["trunks"].as_array().unwrap().iter().find(|trunk| trunk["registration"]["state"] == state);
            if let Some(found) = found {
                return found.clone();
            }
            tokio::task::yield_now().await;
        }
    }
}

fn registering() -> Value {
    let credentials = json!({ "username": "0350001000", "password": "correct-horse" });
    json!({ "kind": "registering", "addresses": [], "credentials": credentials })
}

/// A provider that challenged the server's REGISTER and took the proof, and that REGISTER.
async fn registered(exchange: &Exchange) -> (Trunk, Message) {
    let number = json!({ "e164": COMPANY, "route": "record_owner" });
    exchange.office.post(&exchange.office.admin, "/v1/numbers", number).await;
    let mut provider = exchange.further_trunk(&exchange.office.admin, registering()).await;
    let mut guard = Verifier::new("provider", &[Algorithm::Md5], Seed::from_number(1));
    let first = provider.next().await;
    assert_eq!(first.method(), &Method::Register);
    provider.challenge(&first, &guard.challenges(Timestamp::ZERO, false)[0]).await;
    let second = provider.next().await;
    let proof = Credentials::read(second.header("Proxy-Authorization").unwrap()).unwrap();
    let stored = Ha1::new(Algorithm::Md5, "0350001000", "provider", "correct-horse");
    let check = Signed::of(&second, |signed| guard.verify(Timestamp::ZERO, &proof, signed, Some(&stored)));
    assert_eq!(check, Check::Accepted);
    provider.answer(&second, 200, None).await;
    (provider, second)
}

/// The final answer to a call of `to` that the provider sends to the contact of a REGISTER.
async fn call(provider: &mut Trunk, register: &Message, to: &str, number: u32) -> u16 {
    let contact = register.contacts().next().unwrap().uri().unwrap();
    let address = |user: &str| NameAddr::new(None, &Uri::sip(Some(user), "provider.example", None).unwrap());
    let invite = RequestBuilder::new(Method::Invite, &contact)
        .header("Via", format!("SIP/2.0/UDP provider.invalid;branch=z9hG4bK{number};rport"))
        .from(&address("+81312345678").with_tag("a"))
        .to(&address(to))
        .call_id(&format!("call-{number}"))
        .cseq(1)
        .header("Contact", provider.contact())
        .body("application/sdp", "v=0\r\n")
        .build();
    provider.send(&invite).await;
    loop {
        let answer = provider.next().await;
        if let Some(status) = answer.status().filter(|status| *status >= 200) {
            let ack = RequestBuilder::new(Method::Ack, &contact).via(&invite.top_via().unwrap()).from(&invite.from());
            provider.send(&ack.to(&answer.to()).call_id(invite.call_id()).cseq(1).build()).await;
            return status;
        }
    }
}
