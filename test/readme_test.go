package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// snippet is a Corefile in the documentation.
type snippet struct {
	where string
	text  string
}

// TestREADME_EveryCorefileStartsAndSigns runs each Corefile that README.md and
// docs/ show, as it stands but for its ports and its parents, with a small
// zone in the place of each zone file.
func TestREADME_EveryCorefileStartsAndSigns(t *testing.T) {
	docs, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := snippets(t, "../README.md")
	if len(readme) == 0 {
		t.Fatal("README.md shows no Corefile; fences are marked ```corefile")
	}
	all := readme
	for _, d := range docs {
		all = append(all, snippets(t, d)...)
	}
	parent := fakeParent(t)
	for _, s := range all {
		t.Run(s.where, func(t *testing.T) {
			if !regexp.MustCompile(`(?m)^[^#\s].*\{`).MatchString(s.text) {
				t.Fatalf("this is no whole Corefile: every one in the documentation must run\n%s", s.text)
			}
			s.run(t, parent)
		})
	}
}

// snippets returns the Corefiles in a file, each with its line.
func snippets(t *testing.T, file string) []snippet {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list []snippet
	inside, n := false, 0
	for line := range strings.Lines(string(text)) {
		n++
		switch fence := strings.TrimSpace(line); {
		case !inside && fence == "```corefile":
			inside = true
			list = append(list, snippet{where: fmt.Sprintf("%s:%d", filepath.Base(file), n)})
		case inside && fence == "```":
			inside = false
		case inside:
			list[len(list)-1].text += line
		}
	}
	return list
}

var (
	portNumber = regexp.MustCompile(`:(\d+)\b`)
	fileLine   = regexp.MustCompile(`(?m)^\s*file\s+(\S+)`)
	autosignOn = regexp.MustCompile(`(?m)^(\s*)autosign\b([^{\n]*)(\{?)\s*$`)
	blockHead  = regexp.MustCompile(`(?m)^([^#\s(][^{\n]*)\{`)
)

func (s snippet) run(t *testing.T, parent string) {
	dir := t.TempDir()
	for _, m := range fileLine.FindAllStringSubmatch(s.text, -1) {
		if filepath.IsAbs(m[1]) {
			t.Fatalf("file %s: an example should not name a place outside its folder", m[1])
		}
		write(t, dir, map[string]string{m[1]: plain(1)})
	}
	// Every port is another one here, and each block listens on this machine
	// alone. The parent of the zones is one that knows no DS.
	ports := map[string]string{}
	corefile := portNumber.ReplaceAllStringFunc(s.text, func(p string) string {
		if ports[p] == "" {
			ports[p] = fmt.Sprintf(":%d", freePort(t))
		}
		return ports[p]
	})
	corefile = withParent(corefile, parent)
	port := freePort(t)
	write(t, dir, map[string]string{"Corefile": corefile})
	binary, err := coredns()
	if err != nil {
		t.Fatal(err)
	}
	p := spawn(t, dir, binary, "-conf", "Corefile", "-dns.port", fmt.Sprint(port))
	signed := 0
	for _, h := range blockHead.FindAllStringSubmatch(corefile, -1) {
		signed += checkBlock(t, p, h[1], corefile, port)
	}
	if strings.Contains(s.text, "autosign") && signed == 0 {
		t.Errorf("no zone of this Corefile was looked at:\n%s", s.text)
	}
}

// withParent names the parent's server in each autosign block that does not say
// where its parent is.
func withParent(corefile, parent string) string {
	var b strings.Builder
	rest := corefile
	for m := autosignOn.FindStringSubmatchIndex(rest); m != nil; m = autosignOn.FindStringSubmatchIndex(rest) {
		line, open := rest[m[0]:m[1]], m[6] < m[7]
		b.WriteString(rest[:m[0]])
		rest = rest[m[1]:]
		block, _, _ := strings.Cut(rest, "}")
		switch words := regexp.MustCompile(`\bparent (none|local|agents)\b`); {
		case !open:
			b.WriteString(line + " {\nparent agents " + parent + "\n}")
		case words.MatchString(block):
			b.WriteString(line)
		case strings.Contains(block, "parent "):
			b.WriteString(line)
			rest = strings.Replace(rest, "parent ", "parent agents "+parent+" ", 1)
		default:
			b.WriteString(line + "\nparent agents " + parent)
		}
	}
	return b.String() + rest
}

// checkBlock waits until each zone in the heading of a server block is
// answered signed, if the block has autosign, and returns how many.
func checkBlock(t *testing.T, p *process, heading, corefile string, port int) int {
	t.Helper()
	body := corefile[strings.Index(corefile, heading+"{"):]
	if end := strings.Index(body, "\n}"); end >= 0 {
		body = body[:end]
	}
	if !strings.Contains(body, "autosign") && !strings.Contains(body, "import") {
		return 0
	}
	n := 0
	for _, key := range strings.Fields(strings.ReplaceAll(heading, ",", " ")) {
		key = strings.TrimPrefix(key, "dns://")
		zone, at, found := strings.Cut(key, ":")
		if !found {
			at = fmt.Sprint(port)
		}
		if strings.Contains(key, "://") {
			continue // TLS, HTTPS and the like: the same zones
		}
		addr := net.JoinHostPort("127.0.0.1", at)
		until(t, "a signed "+zone, func() string {
			select {
			case <-p.done:
				t.Fatalf("CoreDNS ended:\n%s", p.wrote())
			default:
			}
			_, problem := soa(addr, dns.Fqdn(zone))
			return problem
		})
		n++
	}
	return n
}

// fakeParent is a name server that says of every zone that it has no DS.
func fakeParent(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(r)
		m.Authoritative = true
		soa, err := dns.NewRR(". 300 IN SOA ns1. hostmaster. 1 7200 3600 259200 300")
		if err == nil {
			m.Ns = append(m.Ns, soa)
		}
		w.WriteMsg(m)
	})}
	go srv.ActivateAndServe() // ends with the connection
	t.Cleanup(func() { srv.Shutdown() })
	return conn.LocalAddr().String()
}
