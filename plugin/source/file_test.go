package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"weak"

	"github.com/coredns/coredns/plugin/file"
	"github.com/coredns/coredns/plugin/file/tree"
	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/zone"
)

var origin = []byte("\x07example\x03org\x00")

const apexText = "$ORIGIN example.org.\n$TTL 3600\n@ SOA ns1 hostmaster 7 7200 3600 1209600 3600\n@ NS ns1\n@ NS ns2\n"

func parse(t testing.TB, text string) *file.Zone {
	t.Helper()
	z, err := file.Parse(strings.NewReader(text), "example.org.", "stdin", -1)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// rrs returns everything that a zone of the file plugin holds.
func rrs(z *file.Zone) []dns.RR {
	all := append([]dns.RR{z.SOA}, z.NS...)
	z.Walk(func(e *tree.Elem, _ map[uint16][]dns.RR) error {
		all = append(all, e.All()...)
		return nil
	})
	return all
}

// line is a record as text that does not depend on who wrote it: the owner in
// lower case, the rest in hexadecimal.
func line(owner []byte, typ uint16, ttl uint32, rdata []byte) string {
	return fmt.Sprintf("%s %d %d %x", strings.ToLower(zone.Text(owner)), ttl, typ, rdata)
}

// want packs a record with dns.PackRR, which File does not use.
func want(t *testing.T, rr dns.RR) string {
	t.Helper()
	rr = dns.Copy(rr)
	buf := make([]byte, 70000)
	end, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		t.Fatalf("%v: %v", rr, err)
	}
	h := rr.Header()
	start := end - int(h.Rdlength)
	return line(buf[:start-10], h.Rrtype, h.Ttl, buf[start:end])
}

var corners = apexText + `
ns1        A     192.0.2.1
ns2        AAAA  2001:db8::2
MiXeD      TXT   "one" "two" "three; \"quoted\" \001\255"
UPPER._tcp SRV   1 2 80 Target.Example.Org.
dot\.in    A     192.0.2.2
nul\000in  A     192.0.2.3
sp\032ace  A     192.0.2.4
has\046dot AAAA  2001:db8::3
` + strings.Repeat("l", 63) + ` TXT "63"
` + strings.Repeat(strings.Repeat("x", 60)+".", 3) + strings.Repeat("y", 58) + ` TXT "255 octets"
unknown    TYPE65280 \# 3 010203
empty      TYPE65281 \# 0
known      TYPE1 \# 4 c0000205
*.wild     MX    10 mail
web        HTTPS 1 . alpn=h2 ipv4hint=192.0.2.7
deep.er    NAPTR 1 2 "u" "sip" "!^.*$!sip:x@example.org!" .
alias      CNAME target.example.net.
under      DNAME example.net.
child      NS    ns.child
child      DS    1 13 2 0000000000000000000000000000000000000000000000000000000000000000
ns.child   A     192.0.2.6
@          CAA   0 issue "ca.example.net"
@          MX    0 .
loc        LOC   52 0 0 N 4 0 0 E 0m
apl        APL   1:192.0.2.0/24
`

func TestFile_LoadTakesEveryRecord(t *testing.T) {
	src := parse(t, corners)
	s, err := NewFile(src, origin).Load(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got, exp []string
	for r := range s.Zone.Records() {
		got = append(got, line(r.Owner, r.Type, r.TTL, r.RData))
	}
	for _, rr := range rrs(src) {
		exp = append(exp, want(t, rr))
	}
	slices.Sort(got)
	slices.Sort(exp)
	if !slices.Equal(got, exp) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(exp, "\n"))
	}
	if s.Serial != 7 {
		t.Errorf("got serial %d, want 7", s.Serial)
	}
}

func TestFile_LoadLeavesTheSourceAlone(t *testing.T) {
	src := parse(t, corners)
	var before []dns.RR
	for _, rr := range rrs(src) {
		before = append(before, dns.Copy(rr))
	}
	if _, err := NewFile(src, origin).Load(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	byText := func(list []dns.RR) map[string]dns.RR {
		return maps.Collect(func(yield func(string, dns.RR) bool) {
			for _, rr := range list {
				yield(rr.String(), rr)
			}
		})
	}
	if got, exp := byText(rrs(src)), byText(before); !reflect.DeepEqual(got, exp) {
		t.Errorf("the file plugin's records changed:\n%v\n%v", got, exp)
	}
}

func TestFile_LoadKeepsNothingOfTheSource(t *testing.T) {
	src := parse(t, corners)
	old := weak.Make(src.Tree)
	f := NewFile(src, origin)
	s, err := f.Load(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	next := parse(t, corners)
	src.Lock()
	src.Apex, src.Tree = next.Apex, next.Tree
	src.Unlock()
	runtime.GC()
	if old.Value() != nil {
		t.Error("the tree of the old generation is still held")
	}
	if !f.Changed(s.Generation) {
		t.Error("a freed generation equals a new one")
	}
	runtime.KeepAlive(s)
}

func TestFile_ChangedFollowsTheTreeNotTheSerial(t *testing.T) {
	src := parse(t, corners)
	f := NewFile(src, origin)
	if !f.Changed(nil) {
		t.Error("a zone never read is not changed")
	}
	s, err := f.Load(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if f.Changed(s.Generation) {
		t.Error("changed right after Load")
	}
	next := parse(t, corners+"new TXT \"same serial\"\n")
	src.Lock()
	src.Apex, src.Tree = next.Apex, next.Tree
	src.Unlock()
	if !f.Changed(s.Generation) {
		t.Error("a new tree with the same serial is not seen")
	}
}

func TestFile_WithoutZoneIsNotLoaded(t *testing.T) {
	f := NewFile(file.NewZone("example.org.", ""), origin)
	if f.Changed(nil) {
		t.Error("a zone without SOA is a change")
	}
	if s, err := f.Load(t.Context(), nil); !errors.Is(err, ErrNotLoaded) || s.Generation != nil {
		t.Errorf("got generation %v, error %v", s.Generation, err)
	}
}

func TestFile_LoadNamesTheRecordThatCannotBeUsed(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty A", `a TYPE1 \# 0`, "a.example.org. A: RDATA is incomplete"},
		{"empty AAAA", `a TYPE28 \# 0`, "a.example.org. AAAA: RDATA is incomplete"},
		{"empty NS", `a TYPE2 \# 0`, "a.example.org. NS: RDATA is incomplete"},
		{"empty MX", `a TYPE15 \# 0`, "a.example.org. MX: RDATA is incomplete"},
		{"empty SRV", `a TYPE33 \# 0`, "a.example.org. SRV: RDATA is incomplete"},
		{"class", `a CH TXT x`, "a.example.org. TXT: class 3 is not IN"},
		{"out of zone", `a.example.net. A 192.0.2.1`, "a.example.net. is outside the zone"},
	} {
		s, err := NewFile(parse(t, apexText+c.text+"\n"), origin).Load(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		if s.Generation == nil || s.Serial != 7 || s.Zone != nil {
			t.Errorf("%s: the snapshot of a refused zone is %+v", c.name, s)
		}
	}
}

func TestFile_LoadNamesTheRecordThatCannotBePacked(t *testing.T) {
	src := parse(t, corners)
	for i := range 12 {
		src.Tree.Insert(&dns.TXT{
			Hdr: dns.RR_Header{Name: fmt.Sprintf("long%02d.example.org.", i), Rrtype: dns.TypeTXT, Class: dns.ClassINET},
			Txt: []string{strings.Repeat("x", 256)},
		})
	}
	src.Tree.Insert(&dns.A{Hdr: dns.RR_Header{Name: "zz..example.org.", Rrtype: dns.TypeA, Class: 1}, A: []byte{192, 0, 2, 1}})
	_, err := NewFile(src, origin).Load(t.Context(), nil)
	if err == nil {
		t.Fatal("no error")
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 11 ||
		lines[0] != "zz..example.org. A: dns: bad rdata" || lines[10] != "and 3 more" {
		t.Errorf("got %q", lines)
	}
}

func TestFile_LoadSharesUnchangedBlocks(t *testing.T) {
	text := bigZone(5000)
	a, err := NewFile(parse(t, text), origin).Load(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewFile(parse(t, text+"h2500-new A 192.0.2.1\n"), origin).Load(t.Context(), a.Zone)
	if err != nil {
		t.Fatal(err)
	}
	other := 0
	for _, block := range b.Zone.Blocks() {
		if !slices.Contains(a.Zone.Blocks(), block) {
			other++
		}
	}
	if other != 1 {
		t.Errorf("%d of %d blocks are not shared after one new name, want 1", other, len(b.Zone.Blocks()))
	}
}

func TestFile_LoadStopsWhenTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewFile(parse(t, bigZone(3000)), origin).Load(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// The race detector is the judge here.
func TestFile_LoadBesideReadersAndReloads(t *testing.T) {
	src := parse(t, corners)
	f := NewFile(src, origin)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 20 {
			ch, err := src.Transfer(0)
			if err != nil {
				t.Error(err)
			}
			for batch := range ch {
				for _, rr := range batch {
					dns.Copy(rr)
				}
			}
		}
	})
	wg.Go(func() {
		for range 20 {
			next := parse(t, corners)
			src.Lock()
			src.Apex, src.Tree = next.Apex, next.Tree
			src.Unlock()
		}
	})
	for range 20 {
		s, err := f.Load(t.Context(), nil)
		if err != nil {
			t.Error(err)
		}
		f.Changed(s.Generation)
	}
	wg.Wait()
}

// bigZone is a zone of that many names with A and AAAA each, every tenth with
// TXT, and a delegation for every hundredth.
func bigZone(names int) string {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString(apexText + "ns1 A 192.0.2.1\nns2 A 192.0.2.2\n")
	for i := range names {
		name := fmt.Sprintf("h%06x-%d", r.Uint32()>>8, i)
		fmt.Fprintf(&b, "%s A 192.0.2.%d\n%s AAAA 2001:db8::%x:%x\n", name, i%256, name, i>>8, i&255)
		if i%10 == 0 {
			fmt.Fprintf(&b, "%s TXT \"v=%d and some more text\"\n", name, i)
		}
		if i%100 == 0 {
			fmt.Fprintf(&b, "d%d NS ns1.d%d\nd%d NS ns2.example.net.\nns1.d%d A 192.0.2.3\n", i, i, i, i)
		}
	}
	return b.String()
}

func BenchmarkFile_Load100kNames(b *testing.B) {
	f := NewFile(parse(b, bigZone(100_000)), origin)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Load(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFile_Changed(b *testing.B) {
	f := NewFile(parse(b, corners), origin)
	s, err := f.Load(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		f.Changed(s.Generation)
	}
}
