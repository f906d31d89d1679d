package answer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/zone"
)

// crowded is a zone with answers of all sizes.
func crowded(t testing.TB, m mode) *zone.Signed {
	t.Helper()
	var text strings.Builder
	fmt.Fprintln(&text, "@ SOA ns1 host 1 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1")
	fmt.Fprintln(&text, "alias CNAME many")
	fmt.Fprintln(&text, "sib NS ns.sib\nns.sib A 192.0.2.2")
	for i := range 40 {
		fmt.Fprintf(&text, "many A 192.0.2.%d\n*.many A 192.0.2.%d\n", i, i)
		fmt.Fprintf(&text, "big TXT %q\n", strings.Repeat("x", 200)+fmt.Sprint(i))
	}
	for i := range 12 {
		fmt.Fprintf(&text, "in NS server%d.in\nserver%d.in A 192.0.2.%d\nserver%d.in AAAA 2001:db8::%d\n", i, i, i, i, i)
		fmt.Fprintf(&text, "out NS server%d.in\n", i)
		fmt.Fprintf(&text, "wide NS a-name-server-with-quite-a-long-name-%d.example.net.\n", i)
	}
	for i := range 3 {
		fmt.Fprintf(&text, "few NS server%d.in\n", i)
	}
	return signText(t, "example.org.", text.String(), m)
}

// TestAppend_truncation asks for every size from 512 octets to more than enough:
// a response has whole RRsets with their signatures, those before the first one
// that did not fit; TC is set when one is missing that the answer needs (RFC
// 2181 section 9, RFC 4035 section 3.1.1, RFC 9471 section 3).
func TestAppend_truncation(t *testing.T) {
	for _, m := range modes {
		s := crowded(t, m)
		for _, text := range []string{
			"many.example.org. A", "alias.example.org. A", "x.many.example.org. A", "big.example.org. TXT", "x.example.org. A", "x.many.example.org. MX",
			"www.in.example.org. A", "www.out.example.org. A", "www.wide.example.org. A", "www.few.example.org. A", "example.org. NS",
		} {
			for _, do := range []bool{true, false} {
				q := query(t, text)
				q.DO = do
				whole, _ := ask(t, s, q)
				last := 0
				for size := 512; size < 1300; size += 3 {
					q.MaxSize = size
					part, _ := ask(t, s, q)
					sets := checkPart(t, fmt.Sprintf("%s %s %d", m.name, text, size), whole, part)
					if sets < last {
						t.Fatalf("%s: %d RRsets fit %d octets, but %d one less", text, sets, size, last)
					}
					last = sets
				}
			}
		}
	}
}

// checkPart checks a response against one for which there was room. It returns
// how many RRsets are left.
func checkPart(t *testing.T, what string, whole, part *dns.Msg) (sets int) {
	t.Helper()
	missing := ""
	for n, pair := range [][2][]dns.RR{{whole.Answer, part.Answer}, {whole.Ns, part.Ns}, {whole.Extra, part.Extra}} {
		all, some := brief(pair[0]), brief(pair[1])
		sets += len(some)
		for i, set := range all {
			here := slices.Contains(some, set)
			switch {
			case !here && n < 2, !here && strings.Contains(set, ".in.example.org.") && strings.Contains(what, "www.in."):
				missing = set
			case here && missing != "" && n < 2:
				t.Fatalf("%s: %s is left out, but not %s", what, missing, set)
			}
			if i < len(some) && !slices.Contains(all, some[i]) {
				t.Fatalf("%s: %s is no RRset of the whole answer", what, some[i])
			}
		}
	}
	if part.Truncated != (missing != "") {
		t.Fatalf("%s: TC is %v, and missing is %q", what, part.Truncated, missing)
	}
	return sets
}

func TestAppend_sizes(t *testing.T) {
	s := crowded(t, modes[0])
	for _, test := range []struct {
		ask  string
		size int
		want string
	}{
		{"many.example.org. A", 100, "TC"}, // never less than 512 octets are taken as the limit
		{"ns1.example.org. A", 100, "1"},
		{"big.example.org. TXT", 4096, "TC"},
		{"big.example.org. TXT", 0, "40"},
		{"big.example.org. TXT", 1 << 20, "40"},
	} {
		q := query(t, test.ask)
		q.DO, q.MaxSize = false, test.size
		m, _ := ask(t, s, q)
		got := fmt.Sprint(len(m.Answer))
		if m.Truncated {
			got = "TC"
		}
		if got != test.want {
			t.Errorf("%s in %d octets: got %s, want %s", test.ask, test.size, got, test.want)
		}
	}
}

// An answer that goes beyond the reach of compression pointers still unpacks.
func TestAppend_farBeyondPointers(t *testing.T) {
	var text strings.Builder
	fmt.Fprintln(&text, "@ SOA ns1 host 1 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\nalias CNAME names")
	for i := range 1000 {
		fmt.Fprintf(&text, "names NS server%04d.of-a-long-name\nnames2 PTR p%04d\n*.w PTR p%04d.%s\n", i, i, i, strings.Repeat("y", 30))
	}
	fmt.Fprintln(&text, "a CNAME b.w")
	s := signText(t, "example.org.", strings.ReplaceAll(text.String(), "names NS", "names MX 1"), modes[1])
	for _, test := range []struct {
		ask  string
		want int
	}{
		{"alias.example.org. MX", 1001}, {"names2.example.org. PTR", 1000}, {"a.example.org. PTR", 1001},
	} {
		q := query(t, test.ask)
		q.DO, q.MaxSize = false, 0
		m, _ := ask(t, s, q)
		if len(m.Answer) != test.want || m.Truncated {
			t.Errorf("%s: %d records, want %d", test.ask, len(m.Answer), test.want)
		}
		last := m.Answer[len(m.Answer)-1]
		if !strings.Contains(last.String(), "0999") {
			t.Errorf("%s: the last record is %v", test.ask, last)
		}
	}
}
