use super::*;

fn url(text: &str) -> Url {
    text.parse().expect("an address")
}

fn patterns(text: &str) -> Vec<HostPattern> {
    text.split_whitespace().map(|text| text.parse().expect("a pattern")).collect()
}

fn reach(home: &str, allowed: &str, private: &str) -> Result<Arc<Reach>, Refused> {
    Reach::new(&url(home), &Egress { allowed: patterns(allowed), private: patterns(private), ..Egress::default() })
}

fn resolved(reach: &Reach, name: &str, addresses: &str) -> String {
    let addresses = addresses.split_whitespace().map(|text| text.parse().expect("an address")).collect();
    match reach.admit(name, addresses) {
        Ok(admitted) => admitted.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Err(refused) => refused.to_string(),
    }
}

/// What becomes of a target that is an address.
fn told(home: &str, target: &str) -> String {
    let reach = reach(home, "", "").expect("any home is allowed");
    reach.check(&url(target)).map_or_else(|refused| refused.to_string(), |()| String::new())
}

#[test]
fn addresses_are_judged_by_where_home_is() {
    for (home, target, want) in [
        ("https://r.io", "https://cdn.example/x", ""),
        ("http://r.io", "https://cdn.example/x", ""),
        ("http://r.io", "http://cdn.example/x", ""),
        ("https://r.io", "http://cdn.example/x", "plain HTTP"),
        ("http://r.io", "file:///etc/passwd", "an address that is neither HTTP nor HTTPS"),
        ("http://r.io", "http://10.1.2.3/", "`10.1.2.3`, an address of a private network"),
        (
            "http://r.io",
            "http://169.254.169.254/",
            "`169.254.169.254`, an address of the local link or a cloud's metadata service",
        ),
        ("http://r.io", "http://[::ffff:127.0.0.1]/", "`[::ffff:7f00:1]`, an address of this machine"),
        ("http://r.io", "http://0.0.0.0/", "`0.0.0.0`, an address of this machine"),
        ("https://r.io", "https://localhost:1/", "`localhost`, an address of this machine"),
        ("https://r.io", "https://a.localhost./", "`a.localhost.`, an address of this machine"),
        ("http://1.1.1.1", "http://10.0.0.1/", "`10.0.0.1`, an address of a private network"),
        ("http://10.0.0.1", "http://192.168.0.1/", ""),
        ("http://10.0.0.1", "http://127.0.0.1/", "`127.0.0.1`, an address of this machine"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5001/", ""),
        ("http://localhost:5000", "http://127.0.0.1:5001/", ""),
        (
            "http://localhost:5000",
            "http://169.254.169.254/",
            "`169.254.169.254`, an address of the local link or a cloud's metadata service",
        ),
        ("http://169.254.1.1", "http://169.254.169.254/", ""),
    ] {
        assert_eq!(told(home, target), want, "{home} {target}");
    }
}

#[test]
fn names_are_judged_by_what_they_resolve_to() {
    let private = "`cdn.example`, an address of a private network";
    for (home, cdn, want_home, want) in [
        ("1.1.1.1", "2.2.2.2", "1.1.1.1", "2.2.2.2"),
        ("1.1.1.1", "10.0.0.1", "1.1.1.1", private),
        ("1.1.1.1", "10.0.0.1 2.2.2.2", "1.1.1.1", "2.2.2.2"),
        ("10.0.0.1", "10.0.0.2 2.2.2.2", "10.0.0.1", "10.0.0.2 2.2.2.2"),
        ("10.0.0.1", "127.0.0.1", "10.0.0.1", "`cdn.example`, an address of this machine"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1"),
        // One public address makes a public registry, whatever else it says it is.
        ("10.0.0.1 1.1.1.1", "10.0.0.1", "1.1.1.1", private),
        ("fd00::1 2606:4700::1", "fd00::2", "2606:4700::1", private),
    ] {
        let reach = reach("https://r.io", "", "").expect("any home is allowed");
        reach.check(&url("https://cdn.example/x")).expect("a name may be asked for");
        assert_eq!(resolved(&reach, "r.io", home), want_home);
        assert_eq!(resolved(&reach, "cdn.example", cdn), want, "{home} {cdn}");
    }
}

#[test]
fn a_public_registry_stays_public() {
    let reach = reach("https://r.io", "", "").expect("any home is allowed");
    assert_eq!(resolved(&reach, "r.io", "1.1.1.1"), "1.1.1.1");
    assert_eq!(resolved(&reach, "r.io", "10.0.0.1"), "`r.io`, an address of a private network");
    assert!(reach.check(&url("https://10.0.0.1/")).is_err());
}

#[test]
fn a_private_registry_may_lead_to_private_addresses() {
    let reach = reach("https://r.corp", "", "").expect("any home is allowed");
    assert_eq!(resolved(&reach, "r.corp", "10.0.0.1"), "10.0.0.1");
    assert_eq!(reach.check(&url("https://10.0.0.2/")), Ok(()));
}

#[test]
fn no_name_is_meant_for_the_link() {
    let reach = reach("https://r.io", "", "").expect("any home is allowed");
    let want = "`r.io`, an address of the local link or a cloud's metadata service";
    assert_eq!(resolved(&reach, "r.io", "169.254.169.254"), want);
}

#[test]
fn who_resolves_nothing_of_home_counts_it_as_public() {
    let reach = reach("https://r.corp", "", "").expect("any home is allowed");
    reach.check(&url("https://cdn.corp/")).expect("a name may be asked for");
    assert_eq!(resolved(&reach, "cdn.corp", "10.0.0.1"), "`cdn.corp`, an address of a private network");
    // A proxy was not asked for.
    assert_eq!(resolved(&reach, "proxy.corp", "10.0.0.9"), "10.0.0.9");
}

#[test]
fn trusted_hosts_may_be_anywhere() {
    let reach = reach("https://r.io", "", "auth.corp 10.0.0.5").expect("any home is allowed");
    reach.check(&url("https://auth.corp/token")).expect("a name may be asked for");
    assert_eq!(resolved(&reach, "auth.corp", "10.0.0.1"), "10.0.0.1");
    assert_eq!(reach.check(&url("https://10.0.0.5/")), Ok(()));
    assert!(reach.check(&url("https://10.0.0.6/")).is_err());
}

#[test]
fn only_allowed_hosts_are_reached() {
    let not_allowed = |host: &str| Refused::NotAllowed { host: host.to_owned() };
    let reach = |home| reach(home, "r.io *.cdn.example:443", "");
    assert_eq!(reach("https://q.io").err(), Some(not_allowed("q.io")));
    let reach = reach("https://r.io:5000").expect("it is allowed");
    assert_eq!(reach.check(&url("https://a.cdn.example/x")), Ok(()));
    assert_eq!(reach.check(&url("https://a.cdn.example:444/x")), Err(not_allowed("a.cdn.example")));
    assert_eq!(reach.check(&url("https://1.1.1.1/")), Err(not_allowed("1.1.1.1")));
}

#[test]
fn hosts_to_be_sent_to_are_bounded() {
    let reach = reach("https://r.io", "", "").expect("any home is allowed");
    let outcomes = (0..HOSTS).map(|number| reach.check(&url(&format!("https://h{number}.example/"))));
    let refused: Vec<_> = outcomes.filter_map(Result::err).collect();
    assert_eq!(refused, [Refused::TooMany]);
    assert_eq!(reach.check(&url("https://h1.example/")), Ok(()));
}
