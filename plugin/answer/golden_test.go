package answer

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/zone"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata")

// corners returns the zone with every corner in it.
func corners(t testing.TB, m mode) *zone.Signed {
	t.Helper()
	text, err := os.ReadFile("testdata/corners.zone")
	if err != nil {
		t.Fatal(err)
	}
	return signText(t, "example.org.", string(text), m)
}

// questions returns the questions to ask it.
func questions(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/questions.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			list = append(list, line)
		}
	}
	return list
}

// TestAppend_transcripts compares the answers to the questions with the
// transcripts, which are to be read: each record is one that a person agreed to.
func TestAppend_transcripts(t *testing.T) {
	for _, m := range []mode{modes[0], modes[1], modes[3], insecure} {
		t.Run(m.name, func(t *testing.T) {
			s := corners(t, m)
			hashed := hashedNames(s)
			var out strings.Builder
			for _, text := range questions(t) {
				msg, res := ask(t, s, query(t, text))
				fmt.Fprintf(&out, "%s\n    %s %v", text, dns.RcodeToString[msg.Rcode], res.Kind)
				if msg.Authoritative {
					fmt.Fprint(&out, " aa")
				}
				fmt.Fprintln(&out)
				for n, section := range [][]dns.RR{msg.Answer, msg.Ns, msg.Extra} {
					for _, line := range transcript(section, hashed) {
						fmt.Fprintf(&out, "    %s %s\n", [...]string{"an", "ns", "ad"}[n], line)
					}
				}
			}
			golden(t, m.name+".txt", out.String())
		})
	}
}

// golden compares a text with a file in testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i, line := range gotLines {
		if i >= len(wantLines) || line != wantLines[i] {
			t.Fatalf("%s:%d: got\n%s", path, i+1, strings.Join(gotLines[max(0, i-8):min(len(gotLines), i+8)], "\n"))
		}
	}
	if len(wantLines) > len(gotLines) {
		t.Fatalf("%s: ends at line %d", path, len(gotLines))
	}
}

// hashedNames maps the hashes of an NSEC3 chain to the names they are of.
func hashedNames(s *zone.Signed) map[string]string {
	names := map[string]string{}
	if s.NSEC3 == nil {
		return names
	}
	for n, b := range s.Zone.Blocks() {
		for i := range b.Len() {
			name := s.AppendName(nil, zone.Pos{Block: n, Name: i})
			if at, match := s.NSEC3.Find(hashOf(s, name)); match {
				text, _, _ := dns.UnpackDomainName(s.NSEC3.AppendOwner(nil, at, s.Origin()), 0)
				names[text], _, _ = dns.UnpackDomainName(name, 0)
			}
		}
	}
	return names
}

// transcript returns a section as lines. An RRSIG shows as the type that it
// covers and its labels, behind the record before, an NSEC3 in place of its owner the name that this is the hash
// of; keys and times are left out.
func transcript(rrs []dns.RR, hashed map[string]string) []string {
	var out []string
	for _, rr := range rrs {
		h := rr.Header()
		owner := h.Name
		if name, ok := hashed[owner]; ok {
			owner = "hash(" + name + ")"
		}
		data := strings.TrimPrefix(rr.String(), h.String())
		switch rr := rr.(type) {
		case *dns.OPT:
			continue
		case *dns.RRSIG:
			sig := fmt.Sprintf("(%s %d)", dns.Type(rr.TypeCovered), rr.Labels)
			if n := len(out) - 1; n >= 0 && strings.HasPrefix(out[n], fmt.Sprint(owner, " ", h.Ttl, " ")) {
				out[n] += " " + sig
				continue
			}
			data = sig
		case *dns.RFC3597:
			data = rr.Rdata
		case *dns.DNSKEY:
			data = fmt.Sprint(rr.Flags)
		case *dns.NSEC3:
			data = fmt.Sprint("-> ", hashed[strings.ToLower(rr.NextDomain)+".example.org."])
			for _, typ := range rr.TypeBitMap {
				data += " " + dns.TypeToString[typ]
			}
		}
		out = append(out, fmt.Sprintf("%s %d %s %s", owner, h.Ttl, dns.Type(h.Rrtype), data))
	}
	return out
}
