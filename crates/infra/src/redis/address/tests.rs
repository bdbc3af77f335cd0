use redis::{ConnectionAddr, ConnectionInfo, RedisConnectionInfo};

use super::*;

fn sentinel(url: &str) -> SentinelAddress {
    match RedisAddress::parse(url) {
        Ok(RedisAddress::Sentinel(address)) => address,
        Ok(other) => panic!("{other}"),
        Err(error) => panic!("{error}"),
    }
}

fn cluster(url: &str) -> ClusterAddress {
    match RedisAddress::parse(url) {
        Ok(RedisAddress::Cluster(address)) => address,
        Ok(other) => panic!("{other}"),
        Err(error) => panic!("{error}"),
    }
}

/// Host, port, and whether with TLS that checks the certificate.
fn hosts(infos: &[ConnectionInfo]) -> Vec<(String, u16, bool)> {
    infos
        .iter()
        .map(|info| match info.addr() {
            ConnectionAddr::Tcp(host, port) => (host.clone(), *port, false),
            ConnectionAddr::TcpTls { host, port, insecure: false, .. } => {
                (host.clone(), *port, true)
            }
            other => panic!("{other}"),
        })
        .collect()
}

fn credentials(info: &RedisConnectionInfo) -> (Option<&str>, Option<&str>) {
    (info.username(), info.password())
}

#[test]
fn a_sentinels_address_is_read() {
    let address =
        sentinel("redis+sentinel://alpine:p%40ss%2Fw%3F@one:26380,[::1],10.0.0.3:1/my.m-1/3");
    assert_eq!(
        hosts(&address.sentinels),
        [
            ("one".into(), 26_380, false),
            ("::1".into(), 26_379, false),
            ("10.0.0.3".into(), 1, false)
        ]
    );
    assert_eq!((address.master.as_str(), address.redis.db()), ("my.m-1", 3));
    assert_eq!(credentials(&address.redis), (Some("alpine"), Some("p@ss/w?")));
    // Who guards the servers need not guard the Sentinels.
    assert!(address.sentinels.iter().all(|s| credentials(s.redis_settings()) == (None, None)));
    assert!(!address.tls);
}

#[test]
fn sentinels_may_ask_for_a_password_of_their_own() {
    let address = sentinel(
        "rediss+sentinel://:data@one,two/m/?sentinel_username=watch&sentinel_password=p%26w%2B",
    );
    assert_eq!(hosts(&address.sentinels).len(), 2);
    assert!(hosts(&address.sentinels).iter().all(|(_, _, tls)| *tls) && address.tls);
    assert_eq!(credentials(&address.redis), (None, Some("data")));
    for info in &address.sentinels {
        assert_eq!(credentials(info.redis_settings()), (Some("watch"), Some("p&w+")));
        assert_eq!(info.redis_settings().db(), 0);
    }
    let alone = sentinel("redis+sentinel://one/m?sentinel_password=w");
    assert_eq!(credentials(alone.sentinels[0].redis_settings()), (None, Some("w")));
}

#[test]
fn a_clusters_address_is_read() {
    for end in ["", "/", "/0"] {
        let address = cluster(&format!("rediss+cluster://alpine:pw@one,two:7001{end}"));
        assert_eq!(
            hosts(&address.nodes),
            [("one".into(), 6_379, true), ("two".into(), 7_001, true)]
        );
        for node in &address.nodes {
            assert_eq!(credentials(node.redis_settings()), (Some("alpine"), Some("pw")));
        }
    }
    let plain = cluster("REDIS+CLUSTER://one");
    assert_eq!(hosts(&plain.nodes), [("one".into(), 6_379, false)]);
    assert_eq!(credentials(plain.nodes[0].redis_settings()), (None, None));
}

#[test]
fn addresses_are_shown_without_secrets() {
    for (url, shown) in [
        ("redis://u:hunter2@h:1/2?protocol=resp3", "redis://h:1/2"),
        ("rediss://:hunter2@h", "rediss://h"),
        ("redis+sentinel://u:hunter2@a,b:1/m", "redis+sentinel://a:26379,b:1/m/0"),
        (
            "rediss+sentinel://u:hunter2@a/m/2?sentinel_password=hunter2",
            "rediss+sentinel://a:26379/m/2",
        ),
        ("redis+cluster://:hunter2@a:1,b", "redis+cluster://a:1,b:6379"),
        ("redis://[::1]:1", "redis://[::1]:1"),
        ("redis+sentinel://[::1],b:1/m/0", "redis+sentinel://[::1]:26379,b:1/m/0"),
        ("rediss+cluster://:hunter2@[fe80::2]:7,[::1]", "rediss+cluster://[fe80::2]:7,[::1]:6379"),
    ] {
        // What is shown is an address, of the same hosts.
        assert_eq!(RedisAddress::parse(shown).unwrap().to_string(), shown);
        assert_eq!(RedisAddress::parse(url).unwrap().to_string(), shown);
    }
}

#[test]
fn what_is_no_address_is_refused_without_repeating_it() {
    for url in [
        "",
        "redis://h/0?protocol=hunter2",
        "redis://me:12/hunter2@h",
        "redis://me:12?hunter2@h",
        "redis://me:12#hunter2@h",
        "redis://h/hunter2",
        "localhost",
        "http://hunter2",
        "redis://localhost/hunter2",
        "redis://hunter2:a,b:1/0",
        "redis://a,hunter2",
        "redis+sentinel://",
        "redis+sentinel:///hunter2",
        "redis+sentinel://hunter2",
        "redis+sentinel://a,,hunter2/m",
        "redis+sentinel://a,/hunter2",
        "redis+sentinel://hunter2:0/m",
        "redis+sentinel://a:hunter2/m",
        "redis+sentinel://a:65536/hunter2",
        "redis+sentinel://a/m/hunter2",
        "redis+sentinel://a/hunter2/-1",
        "redis+sentinel://a/m/65536",
        "redis+sentinel://a/m/0/hunter2",
        "redis+sentinel://a/hunter2%20x",
        "redis+sentinel://a//0?hunter2",
        "redis+sentinel://hunter2@a/m",
        "redis+sentinel://u:%ffhunter2@a/m",
        "redis+sentinel://u:p/hunter2@a/m",
        "redis+sentinel://u:p?hunter2@a/m",
        "redis+sentinel://u:p#hunter2@a/m",
        "redis+sentinel://a/m?hunter2=1",
        "redis+sentinel://a/m?sentinel_username=hunter2",
        "redis+sentinel://a/m?sentinel_password=",
        "redis+sentinel://a/m?sentinel_password=hunter2&sentinel_password=y",
        "redis+sentinel://0.0.0.0/hunter2",
        "redis+cluster://",
        "redis+cluster://hunter2/1",
        "redis+cluster://a/hunter2",
        "redis+cluster://a/0/hunter2",
        "redis+cluster://a?hunter2=3",
        "redis+cluster://hunter2@a",
        "redis+cluster://a b,hunter2",
        "redis+cluster://[::1,hunter2",
        "redis+hunter2://a",
    ] {
        let Err(error) = RedisAddress::parse(url) else { panic!("{url} was taken") };
        assert_eq!(error.key, "redis.url", "{url}");
        assert!(!error.to_string().contains("hunter2"), "{url}: {error}");
        assert!(error.remedy.contains("redis"), "{url}: {error}");
    }
    let many = vec!["h"; 65].join(",");
    assert!(RedisAddress::parse(&format!("redis+cluster://{many}")).is_err());
}

#[test]
fn a_clusters_database_is_refused_with_the_remedy() {
    let Err(error) = RedisAddress::parse("redis+cluster://a,b/3") else { panic!("taken") };
    let told = error.to_string();
    assert!(told.contains("redis.url") && told.contains("database"), "{told}");
    assert!(told.contains("redis.key_prefix"), "{told}");
}

mod any {
    use proptest::prelude::*;

    use super::*;

    fn escaped(text: &str) -> String {
        use std::fmt::Write as _;
        text.bytes().fold(String::new(), |mut out, byte| {
            write!(out, "%{byte:02X}").unwrap();
            out
        })
    }

    proptest! {
        /// Whatever a user and a password consist of, they arrive as they are and show nowhere.
        #[test]
        fn credentials_come_back_and_do_not_show(
            user in "[^\\p{Cc}]{1,12}",
            password in "[^\\p{Cc}]{1,24}",
            own in "[^\\p{Cc}]{1,24}",
            hosts in proptest::collection::vec(("[a-z][a-z0-9-]{0,9}", 1_u16..), 1..6),
            tls in any::<bool>(),
        ) {
            let s = if tls { "rediss" } else { "redis" };
            let list: Vec<_> = hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
            let (list, user_part) =
                (list.join(","), format!("{}:{}", escaped(&user), escaped(&password)));
            let address = sentinel(&format!(
                "{s}+sentinel://{user_part}@{list}/m/1?sentinel_password={}", escaped(&own)
            ));
            prop_assert_eq!(credentials(&address.redis), (Some(&*user), Some(&*password)));
            let sentinels = super::hosts(&address.sentinels);
            let wanted: Vec<_> =
                hosts.iter().map(|(host, port)| (host.clone(), *port, tls)).collect();
            prop_assert_eq!(&sentinels, &wanted);
            let watched = address.sentinels[0].redis_settings();
            prop_assert_eq!(credentials(watched), (None, Some(&*own)));
            prop_assert_eq!(
                RedisAddress::Sentinel(address).to_string(),
                format!("{s}+sentinel://{list}/m/1")
            );
            let address = cluster(&format!("{s}+cluster://{user_part}@{list}"));
            prop_assert_eq!(super::hosts(&address.nodes), wanted);
            let node = address.nodes[0].redis_settings();
            prop_assert_eq!(credentials(node), (Some(&*user), Some(&*password)));
            prop_assert_eq!(
                RedisAddress::Cluster(address).to_string(),
                format!("{s}+cluster://{list}")
            );
        }

        #[test]
        fn no_text_is_too_strange(rest in ".{0,60}") {
            for scheme in ["redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"] {
                let _ = RedisAddress::parse(&format!("{scheme}://{rest}"));
            }
            let _ = RedisAddress::parse(&rest);
        }
    }
}

#[test]
fn what_leads_beyond_this_machine_wants_a_password_and_tls() {
    for (url, lacking) in [
        ("redis://127.0.0.1:6379/0", &[][..]),
        ("redis://localhost", &[]),
        ("redis://[::1]:6379", &[]),
        ("unix:///run/redis.sock", &[]),
        ("redis://cache.example.com/0", &["a password", "TLS (rediss://)"]),
        ("redis://user:secret@cache.example.com/0", &["TLS (rediss://)"]),
        ("rediss://cache.example.com/0", &["a password"]),
        ("rediss+cluster://:secret@n1,n2", &[]),
        ("redis+sentinel://:secret@localhost,s2/master", &["TLS (rediss://)"]),
    ] {
        assert_eq!(RedisUrl::parse(url).unwrap().lacks(), lacking, "{url}");
    }
}
