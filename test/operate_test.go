package test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// get fetches a page of the server; status 0 means that nobody answers yet.
func get(t *testing.T, port int, path string) (status int, body string) {
	t.Helper()
	r, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
	if err != nil {
		return 0, err.Error()
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

// TestOperate_MetricsFollowTheRules wants every metric named as Prometheus
// asks, with a help text, and those that the alarms of the documentation need.
func TestOperate_MetricsFollowTheRules(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	dir, port := t.TempDir(), freePort(t)
	write(t, dir, map[string]string{"db": plain(1)})
	s := start(t, dir, strings.Replace(block(zone, "db"), "    errors\n", fmt.Sprintf("    errors\n    prometheus 127.0.0.1:%d\n", port), 1))
	serial := s.signed(t, zone)
	_, page := get(t, port, "/metrics")
	ours := regexp.MustCompile(`(?m)^# (HELP|TYPE) (coredns_autosign_\S+) (.*)$`).FindAllStringSubmatch(page, -1)
	if len(ours) < 16 {
		t.Fatalf("%d lines about our metrics:\n%s", len(ours), page)
	}
	for _, m := range ours {
		name := m[2]
		switch {
		case m[1] == "HELP" && len(m[3]) < 10:
			t.Errorf("%s: help %q", name, m[3])
		case m[1] == "TYPE" && (m[3] == "counter") != strings.HasSuffix(name, "_total"):
			t.Errorf("%s is a %s: counters, and they alone, end in _total", name, m[3])
		case m[1] == "TYPE" && m[3] == "histogram" && !strings.HasSuffix(name, "_seconds") && !strings.HasSuffix(name, "_bytes"):
			t.Errorf("%s: a histogram without a unit", name)
		}
	}
	if want := fmt.Sprintf(`} %v`, float64(serial)); !regexp.MustCompile(`coredns_autosign_\S*serial\S*zone="example.org."[^\n]*` + regexp.QuoteMeta(want)).MatchString(page) {
		t.Errorf("the serial %d is not to be seen:\n%s", serial, regexp.MustCompile(`(?m)^coredns_autosign.*$`).FindAllString(page, -1))
	}
}

// TestOperate_NotReadyUntilSigned: before its first version a zone is answered
// with SERVFAIL and EDE 14 (RFC 8914), never from the unsigned zone, and the
// server is not ready.
func TestOperate_NotReadyUntilSigned(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	dir, port := t.TempDir(), freePort(t)
	// Nobody knows what a key that cannot be read was for.
	id := "keys/Kexample.org.+013+12345"
	write(t, dir, map[string]string{"db": plain(1), id + ".key": "damaged", id + ".private": "damaged"})
	s := start(t, dir, strings.Replace(block(zone, "db"), "    errors\n", fmt.Sprintf("    errors\n    ready 127.0.0.1:%d\n", port), 1))
	until(t, "a word on the keys", func() string {
		if !s.has("ERROR") || !s.has("keys") {
			return "it wrote: " + s.wrote()
		}
		return ""
	})
	if status, body := get(t, port, "/ready"); status != http.StatusServiceUnavailable {
		t.Errorf("ready says %d %s", status, body)
	}
	for _, name := range []string{zone, "www." + zone, "nope." + zone} {
		r := ask(t, s.addr, name, dns.TypeA, true)
		if r.Rcode != dns.RcodeServerFailure || len(r.Answer) > 0 || !hasEDE(r, dns.ExtendedErrorCodeNotReady) {
			t.Errorf("%s before the first version: %v", name, r)
		}
	}
	if rrs, err := transfer(s.addr, zone); err == nil && len(rrs) > 0 {
		t.Errorf("the unsigned zone was transferred: %v", rrs)
	}
}

func hasEDE(r *dns.Msg, code uint16) bool {
	if o := r.IsEdns0(); o != nil {
		for _, e := range o.Option {
			if ede, ok := e.(*dns.EDNS0_EDE); ok && ede.InfoCode == code {
				return true
			}
		}
	}
	return false
}

// TestOperate_ReadyWhenSigned is the other half.
func TestOperate_ReadyWhenSigned(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	dir, port := t.TempDir(), freePort(t)
	write(t, dir, map[string]string{"db": plain(1)})
	s := start(t, dir, strings.Replace(block(zone, "db"), "    errors\n", fmt.Sprintf("    errors\n    ready 127.0.0.1:%d\n", port), 1))
	s.signed(t, zone)
	until(t, "ready", func() string {
		if status, body := get(t, port, "/ready"); status != http.StatusOK {
			return fmt.Sprint(status, body)
		}
		return ""
	})
}

// TestOperate_AllFaultsOfACorefileAtOnce starts CoreDNS with several mistakes
// and wants each of them named with its line.
func TestOperate_AllFaultsOfACorefileAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"db": plain(1), "Corefile": `example.org:1053 {
    file db
    autosign {
        algorithm RSASHA1
        denial nsec3 iterations 51
        signatures_validity 2d
        signatures_refresh 3d
        rollover never
    }
}
`})
	binary, err := coredns()
	if err != nil {
		t.Fatal(err)
	}
	p := spawn(t, dir, binary, "-conf", "Corefile")
	p.ended(t)
	if p.cmd.ProcessState.ExitCode() == 0 {
		t.Error("CoreDNS ended as if all were well")
	}
	for _, want := range []string{"Corefile:4", "RSASHA1", "Corefile:5", "iterations", "2d", "3d", "Corefile:8", "rollover"} {
		if !p.has(want) {
			t.Errorf("no word of %s:\n%s", want, p.wrote())
		}
	}
}

// TestOperate_NeighboursThatWouldSpoilAnswers: plugins in front that alter or
// make answers for the same names are a start-up error, unless allowed.
func TestOperate_NeighboursThatWouldSpoilAnswers(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	for _, n := range []struct{ name, line string }{
		{"any", "any"},
		{"dns64", "dns64"},
		{"rewrite", "rewrite name www.example.org nope.example.org"},
	} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"db": plain(1)})
		corefile := strings.Replace(block(zone, "db"), "    errors\n", "    errors\n    "+n.line+"\n", 1)
		s := &server{dir: dir, port: freePort(t)}
		s.configure(t, corefile)
		s.fork(t)
		s.ended(t)
		if !s.has(n.name) || !s.has("allow") {
			t.Errorf("%s: the error names neither it nor the way out:\n%s", n.name, s.wrote())
		}
		allowed := start(t, dir, strings.Replace(corefile, "parent none\n", "parent none\n        allow "+n.name+"\n", 1))
		allowed.signed(t, zone)
		allowed.kill()
	}
}
