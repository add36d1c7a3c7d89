//! Histories as builders write them.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::image::History;

fn config(steps: &[&str], config: Value) -> ImageConfig {
    let history = steps.iter().map(|&step| History { created_by: Some(step.into()), ..History::default() }).collect();
    ImageConfig { config, history, ..ImageConfig::default() }
}

/// All lines but the first, which is always the same.
fn inferred(steps: &[&str]) -> Vec<String> {
    let mut lines = infer(&config(steps, json!({})));
    assert_eq!(lines.remove(0), "FROM scratch");
    lines
}

#[test]
fn steps_of_builders() {
    for (step, want) in [
        // Docker's classic builder.
        ("/bin/sh -c #(nop) ADD file:4b03b5 in / ", "ADD file:4b03b5 in / "),
        (r#"/bin/sh -c #(nop)  CMD ["/bin/sh"]"#, r#"CMD ["/bin/sh"]"#),
        (r#"/bin/sh -c #(nop)  CMD ["nginx" "-g" "daemon off;"]"#, r#"CMD ["nginx","-g","daemon off;"]"#),
        (r#"/bin/sh -c #(nop) ENTRYPOINT &{["docker-entrypoint.sh"]}"#, r#"ENTRYPOINT ["docker-entrypoint.sh"]"#),
        ("/bin/sh -c #(nop)  ENV PATH=/usr/local/bin:/usr/bin A=b", "ENV PATH=/usr/local/bin:/usr/bin A=b"),
        ("/bin/sh -c #(nop)  EXPOSE 22 8080/tcp 53/udp", "EXPOSE 22 8080/tcp 53/udp"),
        ("/bin/sh -c #(nop)  EXPOSE map[443/tcp:{} 80/tcp:{}]", "EXPOSE 443/tcp 80/tcp"),
        ("/bin/sh -c #(nop)  VOLUME [/data /var/lib/x]", "VOLUME /data /var/lib/x"),
        ("/bin/sh -c #(nop) USER [nginx]", "USER nginx"),
        ("/bin/sh -c #(nop)  STOPSIGNAL [SIGQUIT]", "STOPSIGNAL SIGQUIT"),
        ("/bin/sh -c #(nop) MAINTAINER A <a@example.com>", "MAINTAINER A <a@example.com>"),
        ("/bin/sh -c #(nop)  ONBUILD RUN make", "ONBUILD RUN make"),
        (
            r#"/bin/sh -c #(nop)  HEALTHCHECK &{["CMD-SHELL" "curl -f http://x/ || exit 1"] "30s" "3s" "0s" '\x03'}"#,
            "HEALTHCHECK --interval=30s --timeout=3s --retries=3 CMD curl -f http://x/ || exit 1",
        ),
        ("/bin/sh -c set -ex; apt-get install -y x", "RUN /bin/sh -c set -ex; apt-get install -y x"),
        ("|2 A=1 B=two words /bin/sh -c make", "RUN /bin/sh -c make"),
        ("/bin/echo hi", "RUN /bin/echo hi"),
        (r"cmd /S /C #(nop)  WORKDIR C:\app", r"WORKDIR C:\app"),
        ("/bin/bash -o pipefail -c #(nop)  USER app", "USER app"),
        ("/bin/sh -c echo '#(nop) CMD x'", "RUN /bin/sh -c echo '#(nop) CMD x'"),
        // BuildKit.
        ("RUN /bin/sh -c apt-get update && apt-get upgrade -y # buildkit", "RUN apt-get update && apt-get upgrade -y"),
        ("RUN |2 VERSION=1.2 TEXT=two words /bin/sh -c make # buildkit", "RUN make"),
        ("RUN /bin/sh -c set -ex\n\n  make \\\n  install # buildkit", r"RUN set -ex make \ install"),
        ("RUN /usr/bin/make install # buildkit", "RUN /usr/bin/make install"),
        ("COPY --chown=1000:1000 . /app # buildkit", "COPY --chown=1000:1000 . /app"),
        ("ADD https://example.com/x.tar.gz /opt/ # buildkit", "ADD https://example.com/x.tar.gz /opt/"),
        ("EXPOSE map[22/tcp:{} 5432/tcp:{}]", "EXPOSE 22/tcp 5432/tcp"),
        ("EXPOSE [80/tcp 443/tcp]", "EXPOSE 80/tcp 443/tcp"),
        (r#"ENTRYPOINT ["java" "-jar" "/opt/app.jar"]"#, r#"ENTRYPOINT ["java","-jar","/opt/app.jar"]"#),
        ("ENTRYPOINT [\"/bin/sh\" \"-c\" \"echo \\\"x\\\"\"]", r#"ENTRYPOINT ["/bin/sh","-c","echo \"x\""]"#),
        ("USER 65534:65534", "USER 65534:65534"),
        ("VOLUME [/data]", "VOLUME /data"),
        ("LABEL a=b c=d e", "LABEL a=b c=d e"),
        ("ARG VERSION=1.2", "ARG VERSION=1.2"),
        ("SHELL [/bin/bash -o pipefail -c]", r#"SHELL ["/bin/bash","-o","pipefail","-c"]"#),
        (
            r#"HEALTHCHECK &{["CMD" "/bin/check"] "30s" "5s" "0s" "0s" '\x03'}"#,
            r#"HEALTHCHECK --interval=30s --timeout=5s --retries=3 CMD ["/bin/check"]"#,
        ),
        // kaniko.
        ("RUN apt-get update", "RUN apt-get update"),
        // Others.
        (
            "# debian.sh --arch 'amd64' out/ 'bookworm' '@1700000000'",
            "# debian.sh --arch 'amd64' out/ 'bookworm' '@1700000000'",
        ),
        ("bazel build ...", "# bazel build ..."),
        ("jib-maven-plugin:3.4.0", "# jib-maven-plugin:3.4.0"),
        ("ko build ko://example.com/cmd", "# ko build ko://example.com/cmd"),
    ] {
        assert_eq!(inferred(&[step]), [want], "{step}");
    }
    for step in ["", "  ", "# buildkit", "/bin/sh -c #(nop) "] {
        assert_eq!(inferred(&[step]), [""; 0], "{step:?}");
    }
}

#[test]
fn a_shell_holds_until_the_next() {
    let steps = [
        "SHELL [/bin/bash -o pipefail -c]",
        "RUN /bin/bash -o pipefail -c curl x | sh # buildkit",
        "RUN |1 A=b c /bin/bash -o pipefail -c make # buildkit",
    ];
    assert_eq!(inferred(&steps), [r#"SHELL ["/bin/bash","-o","pipefail","-c"]"#, "RUN curl x | sh", "RUN make"]);
}

#[test]
fn the_configuration_completes_the_history() {
    let says = json!({
        "User": "app", "WorkingDir": "/app", "ExposedPorts": {"443/tcp": {}, "53/udp": {}, "80/tcp": {}},
        "Volumes": {"/data": {}}, "StopSignal": "SIGINT", "Healthcheck": {"Test": ["CMD", "/check", "a b"]},
        "Entrypoint": ["/run"], "Cmd": ["a b", "c"], "Env": ["PATH=/bin"],
    });
    let lines = infer(&config(&["jib-gradle-plugin:3.4.0"], says.clone()));
    assert_eq!(
        lines[1..],
        [
            "# jib-gradle-plugin:3.4.0",
            "WORKDIR /app",
            "USER app",
            "EXPOSE 443/tcp",
            "EXPOSE 53/udp",
            "EXPOSE 80/tcp",
            "VOLUME /data",
            "STOPSIGNAL SIGINT",
            r#"HEALTHCHECK CMD ["/check","a b"]"#,
            r#"ENTRYPOINT ["/run"]"#,
            r#"CMD ["a b","c"]"#,
        ]
    );
    // What the history says is not said again.
    let told = [
        "WORKDIR /app",
        "EXPOSE 443 53/udp map",
        "EXPOSE map[80/tcp:{}]",
        "USER root",
        "USER app",
        "VOLUME [/data]",
        "STOPSIGNAL SIGINT",
        "HEALTHCHECK CMD x",
        r#"ENTRYPOINT ["/run"]"#,
        r#"CMD ["a b" "c"]"#,
    ];
    assert_eq!(infer(&config(&told, says)).len(), 1 + told.len());
    assert_eq!(text(&config(&[], json!({"Healthcheck": {"Test": ["NONE"]}, "WorkingDir": "/"}))), "FROM scratch");
}

proptest! {
    #[test]
    fn any_history_is_survived(step in r#"(RUN |EXPOSE |HEALTHCHECK |CMD |\|1 |/bin/sh -c |#\(nop\) )?[ -~\n\\"'&{}\[\]é]{0,30}"#) {
        let lines = infer(&config(&[&step], json!({"User": step})));
        prop_assert!(lines.iter().all(|line| !line.trim_start().starts_with("RUN") || !line.contains('\n')));
    }
}
