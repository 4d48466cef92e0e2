//! Stories of names, told by a name server of the test's own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;

use super::*;

/// A name server, and how often each question was asked.
struct Zone {
    address: SocketAddr,
    asked: Arc<Mutex<BTreeMap<(String, RecordType), usize>>>,
}

impl Zone {
    /// Serves `records`; questions about names below `mute.` are never answered.
    async fn serve(ttl: u32, records: Vec<(&str, RData)>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let records: Vec<Record> =
            records.into_iter().map(|(name, data)| Record::from_rdata(name_of(name), ttl, data)).collect();
        let asked = Arc::new(Mutex::new(BTreeMap::new()));
        let counts = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut datagram = [0; 4_096];
            while let Ok((length, from)) = socket.recv_from(&mut datagram).await {
                let question = Message::from_vec(&datagram[..length]).unwrap();
                let query = &question.queries[0];
                let key = (query.name.to_ascii(), query.query_type);
                *counts.lock().unwrap().entry(key).or_default() += 1;
                if !name_of("mute.").zone_of(&query.name) {
                    socket.send_to(&answer(&question, &records).to_vec().unwrap(), from).await.unwrap();
                }
            }
        });
        Self { address, asked }
    }

    fn resolver(&self) -> Resolver {
        self.resolver_with(Duration::from_secs(10))
    }

    fn resolver_with(&self, patience: Duration) -> Resolver {
        Resolver::with_patience(&[self.address], Seed::from_number(1), patience).unwrap()
    }

    fn asked(&self, name: &str, kind: RecordType) -> usize {
        self.asked.lock().unwrap().get(&(name.to_owned(), kind)).copied().unwrap_or_default()
    }
}

fn answer(question: &Message, records: &[Record]) -> Message {
    let query = &question.queries[0];
    let mut answer = Message::new(question.metadata.id, MessageType::Response, question.metadata.op_code);
    answer.add_query(query.clone());
    let of_name: Vec<_> = records.iter().filter(|record| record.name == query.name).collect();
    if of_name.is_empty() {
        answer.metadata.response_code = ResponseCode::NXDomain;
    }
    let fitting = of_name.into_iter().filter(|record| record.record_type() == query.query_type);
    answer.add_answers(fitting.cloned());
    answer
}

fn name_of(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn naptr(order: u16, preference: u16, service: &str, replacement: &str) -> RData {
    let bytes = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
    RData::NAPTR(NAPTR::new(order, preference, bytes("s"), bytes(service), bytes(""), name_of(replacement)))
}

fn srv(priority: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, 1, port, name_of(target)))
}

fn a(last: u8) -> RData {
    RData::A(A::new(192, 0, 2, last))
}

/// The hops of a URI as text: `Udp 192.0.2.1:5060`.
async fn hops(resolver: &Resolver, uri: &str) -> Result<Vec<String>, ResolveError> {
    let hops = resolver.resolve(&Uri::parse(uri).unwrap()).await?;
    Ok(hops.into_iter().map(|hop| format!("{:?} {}", hop.carrier, hop.address)).collect())
}

#[tokio::test]
async fn naptr_chooses_transports_and_srv_the_servers_to_fall_back_on() {
    let zone = Zone::serve(
        60,
        vec![
            ("example.", naptr(20, 1, "SIP+D2U", "_sip._udp.example.")),
            ("example.", naptr(10, 2, "SIP+D2T", "tcp.elsewhere.")),
            ("example.", naptr(10, 1, "SIPS+D2T", "_sips._tcp.example.")),
            ("example.", naptr(1, 1, "E2U+email", "mail.example.")),
            ("_sips._tcp.example.", srv(2, 5071, "late.example.")),
            ("_sips._tcp.example.", srv(1, 5061, "early.example.")),
            ("tcp.elsewhere.", srv(1, 5060, "early.example.")),
            ("_sip._udp.example.", srv(1, 5080, "late.example.")),
            ("early.example.", a(1)),
            ("early.example.", a(2)),
            ("early.example.", RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))),
            ("late.example.", a(3)),
        ],
    )
    .await;
    let resolver = zone.resolver();
    let secure = ["Tls 192.0.2.1:5061", "Tls 192.0.2.2:5061", "Tls [2001:db8::1]:5061", "Tls 192.0.2.3:5071"];
    assert_eq!(sorted_pair(hops(&resolver, "sips:a@example").await.unwrap()), secure);
    let all = hops(&resolver, "sip:a@example").await.unwrap();
    assert_eq!(sorted_pair(all[..4].to_vec()), secure);
    let plain = ["Tcp 192.0.2.1:5060", "Tcp 192.0.2.2:5060", "Tcp [2001:db8::1]:5060", "Udp 192.0.2.3:5080"];
    assert_eq!(sorted_pair(all[4..].to_vec()), plain);
    // Who names a transport asks for its servers only.
    assert_eq!(hops(&resolver, "sip:a@example;transport=udp").await.unwrap(), ["Udp 192.0.2.3:5080"]);
}

/// The two addresses of one host may come in either order.
fn sorted_pair(mut hops: Vec<String>) -> Vec<String> {
    hops[..2].sort();
    hops
}

#[tokio::test]
async fn without_naptr_every_transport_is_asked_for_and_without_srv_the_host() {
    let zone = Zone::serve(
        60,
        vec![
            ("srv.example.", a(9)),
            ("_sip._tcp.srv.example.", srv(1, 5070, "host.example.")),
            ("_sips._tcp.srv.example.", srv(0, 0, ".")),
            ("host.example.", a(1)),
        ],
    )
    .await;
    let resolver = zone.resolver();
    assert_eq!(hops(&resolver, "sip:srv.example").await.unwrap(), ["Tcp 192.0.2.1:5070"]);
    assert_eq!(hops(&resolver, "sip:host.example").await.unwrap(), ["Udp 192.0.2.1:5060"]);
    assert_eq!(hops(&resolver, "sips:host.example").await.unwrap(), ["Tls 192.0.2.1:5061"]);
    assert_eq!(hops(&resolver, "sip:host.example;transport=tcp").await.unwrap(), ["Tcp 192.0.2.1:5060"]);
    assert_eq!(hops(&resolver, "sip:a@nowhere.example").await, Err(ResolveError::NoAddress));
}

#[tokio::test]
async fn a_port_or_an_address_leaves_less_to_ask() {
    let zone = Zone::serve(60, vec![("host.example.", a(1))]).await;
    let resolver = zone.resolver();
    assert_eq!(hops(&resolver, "sip:host.example:5090").await.unwrap(), ["Udp 192.0.2.1:5090"]);
    assert_eq!(hops(&resolver, "sips:host.example:5090").await.unwrap(), ["Tls 192.0.2.1:5090"]);
    assert_eq!(zone.asked("host.example.", RecordType::NAPTR), 0);
    assert_eq!(zone.asked("_sip._udp.host.example.", RecordType::SRV), 0);
    assert_eq!(hops(&resolver, "sip:192.0.2.7").await.unwrap(), ["Udp 192.0.2.7:5060"]);
    assert_eq!(hops(&resolver, "sip:[2001:db8::7]:5070;transport=tcp").await.unwrap(), ["Tcp [2001:db8::7]:5070"]);
    assert_eq!(hops(&resolver, "sips:192.0.2.7;transport=tcp").await.unwrap(), ["Tls 192.0.2.7:5061"]);
    assert_eq!(hops(&resolver, "sip:host.example;maddr=192.0.2.8").await.unwrap(), ["Udp 192.0.2.8:5060"]);
    assert_eq!(hops(&resolver, "sips:host.example;transport=udp").await, Err(ResolveError::Transport));
    assert_eq!(hops(&resolver, "sip:host.example;transport=sctp").await, Err(ResolveError::Transport));
    assert_eq!(hops(&resolver, "tel:+81312345678").await, Err(ResolveError::Scheme));
}

#[tokio::test]
async fn an_answer_is_kept_for_as_long_as_it_says() {
    for (ttl, questions) in [(60, 1), (0, 3)] {
        let zone = Zone::serve(ttl, vec![("host.example.", a(1))]).await;
        let resolver = zone.resolver();
        for _ in 0..3 {
            assert_eq!(hops(&resolver, "sip:host.example:5060").await.unwrap(), ["Udp 192.0.2.1:5060"]);
        }
        assert_eq!(zone.asked("host.example.", RecordType::A), questions, "with a TTL of {ttl} s");
    }
}

#[tokio::test]
async fn a_name_server_that_is_mute_costs_only_its_names() {
    let zone = Zone::serve(
        60,
        vec![
            ("_sip._udp.half.", srv(1, 5060, "mute.")),
            ("_sip._udp.half.", srv(2, 5060, "host.example.")),
            ("host.example.", a(1)),
        ],
    )
    .await;
    let resolver = zone.resolver_with(Duration::from_millis(100));
    assert_eq!(hops(&resolver, "sip:half;transport=udp").await.unwrap(), ["Udp 192.0.2.1:5060"]);
    assert_eq!(hops(&resolver, "sip:mute:5060").await, Err(ResolveError::Unanswered));
}
