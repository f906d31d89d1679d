package zone

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// wire returns a name in wire form.
func wire(t testing.TB, name string) []byte {
	t.Helper()
	buf := make([]byte, MaxWire+1)
	n, err := dns.PackDomainName(dns.Fqdn(name), buf, 0, nil, false)
	if err != nil {
		t.Fatalf("%q: %v", name, err)
	}
	return buf[:n]
}

// addText adds the records of a zone file's text.
func addText(t testing.TB, b *Builder, origin, text string) {
	t.Helper()
	p := dns.NewZoneParser(strings.NewReader(text), origin, "")
	buf := make([]byte, 70000)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		n, err := dns.PackRR(rr, buf, 0, nil, false)
		if err != nil {
			t.Fatalf("%v: %v", rr, err)
		}
		h := rr.Header()
		b.Add(wire(t, h.Name), h.Rrtype, h.Class, h.Ttl, buf[n-int(h.Rdlength):n])
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
}

const apexText = "@ 3600 IN SOA ns.example.org. host.example.org. 1 7200 3600 1209600 3600\n@ 3600 IN NS ns.example.org.\n"

func build(t testing.TB, text string, prev *Zone) (*Zone, []Warning, error) {
	t.Helper()
	b := NewBuilder(wire(t, "Example.Org."))
	addText(t, b, "example.org.", apexText+text)
	return b.Build(prev)
}

func mustBuild(t testing.TB, text string, prev *Zone) *Zone {
	t.Helper()
	z, _, err := build(t, text, prev)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// dump lists the names of a zone with what they are and the types they own.
func dump(z *Zone) string {
	var out strings.Builder
	words := []string{"cut", "secure", "dname", "below-cut", "below-dname", "empty", "wild"}
	for n, b := range z.Blocks() {
		for i := range b.Len() {
			fmt.Fprint(&out, Text(z.AppendName(nil, Pos{n, i})))
			for bit, word := range words {
				if b.Flags(i)&(1<<bit) != 0 {
					fmt.Fprint(&out, " ", word)
				}
			}
			from, to := b.Sets(i)
			for j := from; j < to; j++ {
				fmt.Fprint(&out, " ", TypeText(b.SetType(j)))
			}
			fmt.Fprintln(&out)
		}
	}
	return out.String()
}

func TestBuild_DecidesAuthorityOnce(t *testing.T) {
	got := dump(mustBuild(t, `
ns         A 192.0.2.1
a.b.c      TXT "deep"
*.w.x      A 192.0.2.2
sub        NS ns.sub
sub        DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000
sub        A 192.0.2.9
ns.sub     A 192.0.2.3
x.y.sub    TXT "hidden"
plain      NS ns.example.net.
d          DNAME example.net.
d          TXT "kept"
under.d    A 192.0.2.4
MiXed      A 192.0.2.5
mixed      A 192.0.2.6
`, nil))
	want := `example.org. NS SOA
c.example.org. empty
b.c.example.org. empty
a.b.c.example.org. TXT
d.example.org. dname TXT DNAME
under.d.example.org. below-dname A
mixed.example.org. A
ns.example.org. A
plain.example.org. cut NS
sub.example.org. cut secure A NS DS
ns.sub.example.org. below-cut A
x.y.sub.example.org. below-cut TXT
x.example.org. empty
w.x.example.org. empty wild
*.w.x.example.org. A
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestBuild_RefusesAndNamesTheRecord(t *testing.T) {
	ds := "DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000\n"
	for _, c := range []struct{ name, text, want string }{
		{"DS without NS", "a " + ds, "a.example.org. DS: a DS without NS (RFC 4034 section 5)"},
		{"DS at the apex", "@ " + ds, "example.org. DS: a DS at the apex belongs in the parent zone"},
		{"CNAME at the apex", "@ CNAME a", "example.org. CNAME: a CNAME at the apex"},
		{"CNAME beside other data", "a CNAME b\na A 192.0.2.1", "a.example.org. CNAME: a CNAME beside other data"},
		{"two CNAMEs", "a CNAME b\na CNAME c", "a.example.org. CNAME: more than one CNAME"},
		{"two DNAMEs", "a DNAME b\na DNAME c", "a.example.org. DNAME: more than one DNAME"},
		{"DNAME beside CNAME", "a DNAME b\na CNAME c", "a.example.org. CNAME: a CNAME beside other data"},
		{"DNAME at a delegation", "a DNAME b\na NS c", "a.example.org. DNAME: a DNAME beside NS"},
		{"wildcard NS", "*.a NS b", `*.a.example.org. NS: a delegation at a wildcard`},
		{"wildcard DNAME", "*.a DNAME b", `*.a.example.org. DNAME: a DNAME at a wildcard`},
		{"class CH", "a CH TXT x", "a.example.org. TXT: class 3 is not IN"},
		{"TTL of 2^31", "a 2147483648 TXT x", "a.example.org. TXT: TTL 2147483648 is more than 2147483647"},
		{"out of zone", "a.example.net. TXT x", "a.example.net. is outside the zone"},
		{"SOA below the apex", "a SOA a b 1 2 3 4 5", "a.example.org. SOA: a SOA record below the apex"},
		{"two SOAs", "@ SOA a b 2 2 3 4 5", "example.org. SOA: more than one SOA record"},
	} {
		_, _, err := build(t, c.text+"\n", nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestBuild_RefusesAnApexWithoutSOAOrNS(t *testing.T) {
	for text, want := range map[string]string{
		"a TXT x\n":             "example.org. SOA: no records at the zone apex",
		"@ SOA a b 1 2 3 4 5\n": "example.org. NS: no NS record at the apex",
		"@ NS a\n":              "example.org. SOA: no SOA record at the apex",
	} {
		b := NewBuilder(wire(t, "example.org."))
		addText(t, b, "example.org.", "$TTL 60\n"+text)
		if _, _, err := b.Build(nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestBuild_RefusesAnRRsetLongerThanAMessage(t *testing.T) {
	var text strings.Builder
	for i := range 260 {
		fmt.Fprintf(&text, "big TXT \"%03d%s\"\n", i, strings.Repeat("x", 250))
	}
	_, _, err := build(t, text.String(), nil)
	if want := "big.example.org. TXT: the RRset does not fit a DNS message"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestBuild_Warns(t *testing.T) {
	_, warnings, err := build(t, `
a 60 A 192.0.2.1
a 30 A 192.0.2.2
d DNAME x
y.d A 192.0.2.1
z.d A 192.0.2.1
c NS ns.c
ns.c TXT "no address"
@ ZONEMD 1 1 1 000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a.example.org. has an RRset with uneven TTLs; the lowest is used (RFC 2181 section 5.2)",
		"ns.c.example.org. is below a delegation and holds more than addresses; it is not signed and not answered",
		"y.d.example.org. is below a DNAME; it is not signed and not answered (RFC 6672 section 2.4) (and 1 more)",
		"example.org. has a ZONEMD record of the unsigned zone; it is left out (RFC 8976)",
	}
	if len(warnings) != len(want) {
		t.Fatalf("got %d warnings: %v", len(warnings), warnings)
	}
	for i, w := range warnings {
		if w.String() != want[i] {
			t.Errorf("got %q, want %q", w, want[i])
		}
	}
}

func TestBuild_RemovesDuplicatesWhateverTheirOrder(t *testing.T) {
	one := mustBuild(t, "a MX 10 Mail\na MX 10 mail\na MX 5 x\n", nil)
	two := mustBuild(t, "a MX 5 x\na MX 10 mail\na MX 10 Mail\n", nil)
	for c := range Diff(one, two) {
		t.Errorf("order matters: %v", c)
	}
	p, _ := one.Find(AppendKey(nil, wire(t, "a.")))
	if s := one.At(p).Set(0); s.Count != 2 {
		t.Errorf("%d records, want 2", s.Count)
	}
}

func TestBuild_KeepsTheSourcesDNSKEYApart(t *testing.T) {
	z := mustBuild(t, `@ DNSKEY 257 3 15 AAAA
@ DNSKEY 257 3 15 AAAA
@ RRSIG DNSKEY 15 2 3600 20300101000000 20200101000000 1 example.org. AAAA
@ RRSIG SOA 15 2 3600 20300101000000 20200101000000 1 example.org. AAAA
@ NSEC a NS
@ CDS 0 0 0 00
a CDNSKEY 0 3 0 AA==
`, nil)
	if got, want := dump(z), "example.org. NS SOA\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if p := z.Presigned; p == nil || len(p.Keys) != 1 || len(p.RRSIGs) != 1 {
		t.Errorf("got %+v, want one key and one signature", p)
	}
}

// randomText is a zone with names of every kind.
func randomText(r *rand.Rand, names int) string {
	var out strings.Builder
	for range names {
		n := r.IntN(names * 2)
		switch r.IntN(8) {
		case 0:
			fmt.Fprintf(&out, "c%d NS ns.c%d\nns.c%d A 192.0.2.1\n", n, n, n)
		case 1:
			fmt.Fprintf(&out, "*.w%d TXT x\n", n)
		case 2:
			fmt.Fprintf(&out, "a.b.e%d TXT x\n", n)
		case 3:
			fmt.Fprintf(&out, "d%d DNAME x\nx.d%d A 192.0.2.1\n", n, n)
		case 4:
			fmt.Fprintf(&out, `\000\001%d TXT x`+"\n", n)
		default:
			fmt.Fprintf(&out, "n%d A 192.0.2.%d\n", n, r.IntN(250))
		}
	}
	return out.String()
}

func shuffle(r *rand.Rand, text string) string {
	lines := strings.Split(text, "\n")
	r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	return strings.Join(lines, "\n")
}

func TestBuild_IsAFunctionOfTheRecordsAlone(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := randomText(r, 9000)
	one := mustBuild(t, text, nil)
	two := mustBuild(t, shuffle(r, text), one)
	if len(one.Blocks()) < 5 {
		t.Fatalf("only %d blocks: the test proves nothing", len(one.Blocks()))
	}
	for i, b := range two.Blocks() {
		if b != one.Blocks()[i] {
			t.Errorf("block %d is not shared", i)
		}
	}
	three := mustBuild(t, text+"n3x A 192.0.2.1\n", one)
	changed := 0
	for _, b := range three.Blocks() {
		for _, o := range one.Blocks() {
			if b == o {
				changed--
			}
		}
		changed++
	}
	if changed != 1 {
		t.Errorf("one new name changed %d blocks", changed)
	}
}

func TestDiff_AgreesWithComparingEverything(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	text := strings.Split(randomText(r, 3000), "\n")
	old := mustBuild(t, strings.Join(text, "\n"), nil)
	for range 10 {
		for range 5 {
			text[r.IntN(len(text))] = fmt.Sprintf("n%d A 192.0.2.%d", r.IntN(6000), r.IntN(250))
		}
		next := mustBuild(t, strings.Join(text, "\n"), old)
		got := map[string]bool{}
		for c := range Diff(old, next) {
			got[string(c.Key)] = true
		}
		want := map[string]bool{}
		a, b := nameDumps(old), nameDumps(next)
		for k := range a {
			want[k] = a[k] != b[k]
		}
		for k := range b {
			want[k] = a[k] != b[k]
		}
		for k, differs := range want {
			if differs != got[k] {
				t.Errorf("%q differs %v, Diff says %v", k, differs, got[k])
			}
		}
		old = next
	}
}

func nameDumps(z *Zone) map[string]string {
	m := map[string]string{}
	for _, b := range z.Blocks() {
		for i := range b.Len() {
			text := fmt.Sprint(b.Flags(i))
			from, to := b.Sets(i)
			for j := from; j < to; j++ {
				text += fmt.Sprint(b.Set(j))
			}
			m[string(b.Key(i))] = text
		}
	}
	return m
}

func TestFind_ReturnsNameOrPredecessor(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	z := mustBuild(t, randomText(r, 5000), nil)
	var keys [][]byte
	for _, b := range z.Blocks() {
		for i := range b.Len() {
			keys = append(keys, b.Key(i))
		}
	}
	for i, k := range keys {
		if i > 0 && bytes.Compare(keys[i-1], k) >= 0 {
			t.Fatalf("%q is not after %q", k, keys[i-1])
		}
		if p, exact := z.Find(k); !exact || !bytes.Equal(z.At(p).Key(p.Name), k) {
			t.Errorf("%q not found", k)
		}
		after := append(bytes.Clone(k), '-', 0)
		if i+1 < len(keys) && bytes.Compare(after, keys[i+1]) >= 0 {
			continue
		}
		if p, exact := z.Find(after); exact || !bytes.Equal(z.At(p).Key(p.Name), k) {
			t.Errorf("predecessor of %q is %q, want %q", after, z.At(p).Key(p.Name), k)
		}
	}
}

func TestEncode_RoundTripsAndNoticesDamage(t *testing.T) {
	z := mustBuild(t, randomText(rand.New(rand.NewPCG(7, 8)), 200)+
		"@ DNSKEY 257 3 15 AAAA\n@ RRSIG DNSKEY 15 2 3600 20300101000000 20200101000000 1 example.org. AAAA\n", nil)
	var buf bytes.Buffer
	if err := z.Encode(&buf); err != nil {
		t.Fatal(err)
	}
	back, err := Decode(bytes.NewReader(buf.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for c := range Diff(z, back) {
		t.Errorf("%q differs", c.Key)
	}
	if back.Presigned == nil || !bytes.Equal(back.Presigned.Keys[0], z.Presigned.Keys[0]) || len(back.Presigned.RRSIGs) != 1 {
		t.Errorf("presigned DNSKEY lost: %+v", back.Presigned)
	}
	for i := 0; i < buf.Len(); i += 7 {
		bad := bytes.Clone(buf.Bytes())
		bad[i] ^= 0x20
		if _, err := Decode(bytes.NewReader(bad)); err == nil {
			t.Errorf("a flipped bit in octet %d goes unseen", i)
		}
		if _, err := Decode(bytes.NewReader(buf.Bytes()[:i])); err == nil {
			t.Errorf("a file cut at octet %d goes unseen", i)
		}
	}
}

func TestP12_AMutatedSourceIsNotTakenForANewVersion(t *testing.T) {
	var text, doubled strings.Builder
	for i := range 200 {
		fmt.Fprintf(&text, "n%d A 192.0.2.1\n", i)
		fmt.Fprintf(&doubled, "n%d.example.org.example.org. A 192.0.2.1\n", i)
	}
	old := mustBuild(t, text.String(), nil)
	half := strings.Join(strings.SplitAfter(text.String(), "\n")[:99], "")
	for _, c := range []struct {
		name, text string
		old        *Zone
		want       string
	}{
		{"doubled origin", doubled.String(), old, "200 of 201, the first is n0.example.org.example.org."},
		{"doubled origin at first", doubled.String(), nil, "200 of 201"},
		{"one doubled name is somebody's wish at first", text.String() + "example.org A 192.0.2.1\n", nil, ""},
		{"one doubled name later", text.String() + "example.org A 192.0.2.1\n", old, "1 of 202"},
		{"half of the names gone", half, old, "101 of 201, more than 50 percent"},
		{"some names gone", strings.Join(strings.SplitAfter(text.String(), "\n")[:110], ""), old, ""},
	} {
		err := CheckChange(c.old, mustBuild(t, c.text, nil), 50)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	if err := CheckChange(old, mustBuild(t, half, nil), 0); err != nil {
		t.Errorf("switched off, yet %v", err)
	}
}

func TestWithApex_ReplacesAndRemoves(t *testing.T) {
	z := mustBuild(t, "@ TXT x\na A 192.0.2.1\n", nil)
	next := z.WithApex([]ApexSet{{TypeDNSKEY, 60, [][]byte{{1, 1, 3, 15, 9}}}, {16, 0, nil}})
	if got, want := dump(next), "example.org. NS SOA DNSKEY\na.example.org. A\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if z.Blocks()[1] != next.Blocks()[1] {
		t.Error("blocks are not shared")
	}
	if z.Stats().Records != next.Stats().Records || z.Stats().Sets != next.Stats().Sets {
		t.Errorf("one set removed and one added: %+v became %+v", z.Stats(), next.Stats())
	}
	if got, want := dump(z), "example.org. NS SOA TXT\na.example.org. A\n"; got != want {
		t.Errorf("the old zone became %q", got)
	}
}
