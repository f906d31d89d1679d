package autosign

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clog "github.com/coredns/coredns/plugin/pkg/log"
	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/keystore/software"
	"github.com/autosign-dns/autosign/plugin/lastgood"
	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/source"
	"github.com/autosign-dns/autosign/plugin/state"
	"github.com/autosign-dns/autosign/plugin/store"
	"github.com/autosign-dns/autosign/plugin/store/memory"
	"github.com/autosign-dns/autosign/plugin/verify"
	"github.com/autosign-dns/autosign/plugin/zone"
)

func init() {
	if os.Getenv("AUTOSIGN_TEST_LOG") == "" {
		clog.Discard()
	}
}

const testZone = `
@	3600	IN	SOA	ns1 hostmaster 10 7200 3600 345600 300
@	3600	IN	NS	ns1
ns1	3600	IN	A	192.0.2.1
www	3600	IN	A	192.0.2.2
*.wild	3600	IN	TXT	"wild"
sub	3600	IN	NS	ns.sub
ns.sub	3600	IN	A	192.0.2.3
`

// fakeSource is a source that holds a zone as text.
type fakeSource struct {
	mu    sync.Mutex
	text  string
	err   error
	gen   int
	loads int
}

func (f *fakeSource) set(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text, f.err = text, nil
	f.gen++
}

func (f *fakeSource) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
	f.gen++
}

// Changed implements source.Source.
func (f *fakeSource) Changed(since source.Generation) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return since != source.Generation(f.gen)
}

// Load implements source.Source.
func (f *fakeSource) Load(_ context.Context, prev *zone.Zone) (source.Snapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loads++
	snap := source.Snapshot{Generation: f.gen}
	if f.err != nil {
		return snap, f.err
	}
	z, warnings, err := parseZone("example.org.", f.text, prev)
	if err != nil {
		return snap, err
	}
	snap.Zone, snap.Warnings, snap.Serial = z, warnings, soaSerial(z)
	return snap, nil
}

// parseZone builds a zone of its text.
func parseZone(origin, text string, prev *zone.Zone) (*zone.Zone, []zone.Warning, error) {
	wire, _ := appendWire(nil, origin)
	b := zone.NewBuilder(wire)
	p := dns.NewZoneParser(strings.NewReader(text), origin, "")
	buf := make([]byte, 65535)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		n, err := dns.PackRR(rr, buf, 0, nil, false)
		if err != nil {
			return nil, nil, err
		}
		h, off, err := readHeader(buf[:n])
		if err != nil {
			return nil, nil, err
		}
		b.Add(h, rr.Header().Rrtype, rr.Header().Class, rr.Header().Ttl, buf[off:n])
	}
	if err := p.Err(); err != nil {
		return nil, nil, err
	}
	return b.Build(prev)
}

// readHeader returns the owner of a packed record and where its RDATA begins.
func readHeader(msg []byte) (owner []byte, off int, err error) {
	for off < len(msg) && msg[off] != 0 {
		off += int(msg[off]) + 1
	}
	if off+11 > len(msg) {
		return nil, 0, errors.New("short record")
	}
	return msg[:off+1], off + 11, nil
}

// memoryCopies keeps last good copies in memory, encoded as on disk.
type memoryCopies struct {
	mu    sync.Mutex
	saved map[string]lastgood.Copy
	data  map[string][]byte
}

func newMemoryCopies() *memoryCopies {
	return &memoryCopies{saved: map[string]lastgood.Copy{}, data: map[string][]byte{}}
}

// Save implements copies.
func (m *memoryCopies) Save(name string, c lastgood.Copy) error {
	var buf bytes.Buffer
	if err := c.Zone.Encode(&buf); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saved[name], m.data[name] = c, buf.Bytes()
	return nil
}

// Load implements copies.
func (m *memoryCopies) Load(name string) (lastgood.Copy, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.saved[name]
	if !ok {
		return c, lastgood.ErrNone
	}
	z, err := zone.Decode(bytes.NewReader(m.data[name]))
	c.Zone = z
	return c, err
}

// fakeParent answers as it is told to.
type fakeParent struct {
	mu    sync.Mutex
	ds    []parent.DS
	err   error
	delay time.Duration
	asked int
}

// DS implements asker.
func (f *fakeParent) DS(ctx context.Context, _ string) ([]parent.DS, error) {
	f.mu.Lock()
	f.asked++
	ds, err, delay := f.ds, f.err, f.delay
	f.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, parent.ErrUnreachable
		}
	}
	return ds, err
}

// place is what outlives a signer: a store, keys, copies, and the world around.
type place struct {
	t      *testing.T
	store  store.Store
	memory *memory.Store
	dir    string
	keys   keystore.Keystore
	copies copies
	source *fakeSource
	parent *fakeParent
	policy policy.Policy
	jump   atomic.Int64 // of the wall clock, nanoseconds
	fresh  bool
	poll   time.Duration // of sources; 0: a minute
}

func newPlace(t *testing.T) *place {
	t.Helper()
	m := memory.New()
	p := &place{t: t, store: m, memory: m, dir: t.TempDir(), copies: newMemoryCopies(),
		source: &fakeSource{text: testZone}, parent: &fakeParent{}, policy: policy.Default(), fresh: true}
	p.policy.Algorithm = policy.ED25519 // its signatures are quick and repeat
	p.policy.Refresh = 5 * 24 * time.Hour
	p.keys = software.New(p.dir)
	return p
}

// signer returns a signer as after a start, in a loop that does not run.
func (p *place) signer() *signer {
	wire, _ := appendWire(nil, "example.org.")
	s := &signer{
		zone: "example.org.", origin: wire, policy: p.policy, dir: p.dir,
		source: p.source, docs: newDocuments(p.store, "example.org.", ""),
		box: keyBox{store: p.keys, zone: "example.org."}, copies: p.copies, parent: p.parent, freshStore: p.fresh,
		crew: newCrew(),
	}
	s.asOf, s.effective = time.Now(), p.policy
	s.clock = newClock(func() time.Time { return time.Now().Round(0).Add(time.Duration(p.jump.Load())) })
	l := newLoop()
	l.now = s.clock.now
	l.poll = cmp.Or(p.poll, time.Minute)
	l.add(s)
	return s
}

// run makes one pass and returns its error.
func (s *signer) run(t *testing.T) error {
	t.Helper()
	_, err := s.work(t.Context(), false)
	s.saver.wait()
	return err
}

// mustRun makes one pass that has to succeed, and has the result judged.
func (s *signer) mustRun(t *testing.T) *zone.Signed {
	t.Helper()
	if err := s.run(t); err != nil {
		t.Fatalf("pass: %v", err)
	}
	return s.mustServe(t)
}

// mustServe returns what is served, which has to be valid now.
func (s *signer) mustServe(t *testing.T) *zone.Signed {
	t.Helper()
	v := s.served.Load()
	if v == nil {
		t.Fatal("nothing is served")
	}
	o := verify.Options{Now: s.clock.now(), Announced: v.announced, Beside: v.theirs, ZSKOnly: v.signed.DNSKEYSigs != nil, Unsigned: v.signed.Unsigned}
	if _, err := verify.Zone(s.origin, records(v.signed.SignedRecords()), o); err != nil {
		t.Fatalf("what is served is not valid: %v", err)
	}
	return v.signed
}

// state returns the stored document.
func (p *place) state() *state.Document {
	p.t.Helper()
	doc, err := newDocuments(p.store, "example.org.", "").load(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return doc
}

// text returns all records of a signed copy, for comparison.
func text(s *zone.Signed) string {
	var b strings.Builder
	for r := range s.SignedRecords() {
		fmt.Fprintf(&b, "%s %d %s %x\n", zone.Text(r.Owner), r.TTL, zone.TypeText(r.Type), r.RData)
	}
	return b.String()
}

// wantError checks that an error says something.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

// presignedText signs a DNSKEY set as the holder of an off-line KSK does.
func presignedText(t *testing.T, keys []keystore.Entry, by keystore.Entry, s crypto.Signer, now time.Time) string {
	t.Helper()
	var set []dns.RR
	var b strings.Builder
	for _, e := range keys {
		k := &dns.DNSKEY{Hdr: dns.RR_Header{Name: "example.org.", Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 3600},
			Flags: e.Key.Flags, Protocol: 3, Algorithm: uint8(e.Key.Algorithm), PublicKey: base64.StdEncoding.EncodeToString(e.Key.Public)}
		set = append(set, k)
		fmt.Fprintln(&b, k)
	}
	sig := &dns.RRSIG{Hdr: dns.RR_Header{Name: "example.org.", Rrtype: dns.TypeRRSIG, Class: dns.ClassINET, Ttl: 3600},
		Algorithm: uint8(by.Key.Algorithm), KeyTag: by.Key.Tag, SignerName: "example.org.",
		Inception: uint32(now.Add(-time.Hour).Unix()), Expiration: uint32(now.Add(30 * 24 * time.Hour).Unix())}
	if err := sig.Sign(s, set); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&b, sig)
	return b.String()
}
