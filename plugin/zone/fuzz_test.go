package zone

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// testRecord is a record as it is given to a Builder.
type testRecord struct {
	owner      []byte
	typ, class uint16
	ttl        uint32
	rdata      []byte
}

const (
	typeA, typeMX, typeTXT, typeSRV, typeUnknown = 1, 15, 16, 33, 65280
)

var testOrigin = []byte("\x07example\x03org\x00")

// inventory turns octets into records, four octets each: owner, type, RDATA and
// what is unusual about it. Names are few, so that they meet.
func inventory(data []byte) (list []testRecord) {
	rdata := map[uint16][][]byte{
		typeA:       {{192, 0, 2, 1}, {192, 0, 2, 2}},
		typeTXT:     {[]byte("\x01a"), []byte("\x01A"), []byte("\x00")},
		TypeNS:      {[]byte("\x01a\x00"), []byte("\x01A\x00"), []byte("\x01b\x00")},
		TypeCNAME:   {[]byte("\x01a\x00"), []byte("\x01A\x00"), []byte("\x01b\x00")},
		TypeDNAME:   {[]byte("\x01a\x00"), []byte("\x01b\x00")},
		TypeDS:      {{0, 1, 13, 2, 1}, {0, 1, 13, 2, 2}},
		typeMX:      {[]byte("\x00\x0a\x01a\x00"), []byte("\x00\x0a\x01A\x00"), []byte("\x00\x05\x01b\x00")},
		TypeSOA:     {soaRData(1), soaRData(2)},
		typeSRV:     {[]byte("\x00\x01\x00\x02\x00\x03\x01S\x00"), []byte("\x00\x01\x00\x02\x00\x03\x01s\x00")},
		typeUnknown: {{}, {1, 'A'}, {1, 'a'}},
		TypeRRSIG:   {{0, 1, 13, 2}}, TypeNSEC: {{0}}, TypeNSEC3: {{1}}, TypeCDS: {{0}}, TypeCDNSKEY: {{0}}, TypeZONEMD: {{0}},
		41: {{0}}, 255: {{0}},
	}
	types := slices.Sorted(maps.Keys(rdata))
	usual := []uint16{typeA, typeTXT, TypeNS, TypeCNAME, TypeDNAME, TypeDS, typeMX}
	pool := []string{"a", "b", "*", "A", "\x00", "\x01z", "x.y"}
	for ; len(data) >= 4; data = data[4:] {
		var owner []byte
		for n := data[0]; n > 0 && len(owner) < 12; n /= 8 {
			label := pool[n%8%7]
			owner = append(append(owner, byte(len(label))), label...)
		}
		owner = append(owner, testOrigin...)
		typ := usual[int(data[1])%len(usual)]
		if data[1] >= 240 {
			typ = types[int(data[1])%len(types)]
		}
		r := testRecord{owner, typ, 1, 60 + uint32(data[3]%2), rdata[typ][int(data[2])%len(rdata[typ])]}
		switch data[3] {
		case 250:
			r.class = 3
		case 251:
			r.ttl = 1 << 31
		case 252:
			r.owner = []byte("\x01a\x03net\x00")
		}
		list = append(list, r)
	}
	return list
}

// soaRData is the RDATA of an SOA record with a serial.
func soaRData(serial uint32) []byte {
	return append(binary.BigEndian.AppendUint32([]byte("\x02ns\x00\x04host\x00"), serial), make([]byte, 16)...)
}

// apexRecords are those without which there is no zone.
func apexRecords() []testRecord {
	return []testRecord{
		{testOrigin, TypeSOA, 1, 3600, soaRData(1)},
		{testOrigin, TypeNS, 1, 3600, []byte("\x01a\x00")},
	}
}

func buildRecords(list []testRecord, prev *Zone) (*Zone, error) {
	b := NewBuilder(testOrigin)
	for _, r := range list {
		b.Add(r.owner, r.typ, r.class, r.ttl, r.rdata)
	}
	z, _, err := b.Build(prev)
	return z, err
}

// oracle is a zone by other means: names as text with the rightmost label first, each
// with its RRsets.
type oracle map[string]map[uint16]map[string]testRecord // name, type, canonical RDATA

// oracleName is a name as text that says where its labels end, the origin left out.
func oracleName(wire []byte) string {
	l := labels(inLower(wire))
	l = l[:len(l)-2]
	slices.Reverse(l)
	var b strings.Builder
	for _, label := range l {
		fmt.Fprintf(&b, "%x/", label)
	}
	return b.String()
}

// newOracle sorts records into a zone; bad says that one is no zone data.
func newOracle(list []testRecord) (o oracle, bad bool) {
	o = oracle{}
	signing := []uint16{TypeRRSIG, TypeNSEC, TypeDNSKEY, TypeNSEC3, TypeNSEC3PARAM, TypeCDS, TypeCDNSKEY, TypeZONEMD}
	for _, r := range list {
		if !bytes.HasSuffix(inLower(r.owner), testOrigin) || r.class != 1 || r.ttl >= 1<<31 || r.typ == 41 || r.typ == 255 {
			return nil, true
		}
		if slices.Contains(signing, r.typ) {
			continue
		}
		name := oracleName(r.owner)
		if o[name] == nil {
			o[name] = map[uint16]map[string]testRecord{}
		}
		if o[name][r.typ] == nil {
			o[name][r.typ] = map[string]testRecord{}
		}
		rdata := string(oracleRData(r))
		if twin, ok := o[name][r.typ][rdata]; ok {
			r.ttl = min(r.ttl, twin.ttl)
		}
		o[name][r.typ][rdata] = r
	}
	return o, false
}

// oracleRData is RDATA with its names in lower case; of the types in use here that
// is all of it or nothing (RFC 4034 section 6.2).
func oracleRData(r testRecord) []byte {
	switch r.typ {
	case TypeNS, TypeCNAME, TypeDNAME, typeMX, typeSRV:
		return inLower(r.rdata)
	}
	return r.rdata
}

func (o oracle) has(name string, typ uint16) bool { return len(o[name][typ]) > 0 }

// occluder returns what the topmost cut or DNAME above a name makes of it.
func (o oracle) occluder(name string) Flags {
	for end := 0; end < len(name); end += strings.IndexByte(name[end:], '/') + 1 {
		switch up := name[:end]; {
		case o.has(up, TypeDNAME):
			return BelowRedirect
		case up != "" && o.has(up, TypeNS):
			return BelowCut
		}
	}
	return 0
}

// flags returns what a name is; exists is false for a name that is not in the zone.
func (o oracle) flags(name string) (f Flags, exists bool) {
	if below := o.occluder(name); below != 0 {
		return below, o[name] != nil
	}
	if o[name] == nil {
		f, exists = Empty, false
	} else {
		exists = true
	}
	for other := range o {
		if strings.HasPrefix(other, name) && other != name && o.occluder(other) == 0 {
			exists = true
			if strings.HasPrefix(other, name+"2a/") {
				f |= HasWildcard
			}
		}
	}
	if name != "" && o.has(name, TypeNS) {
		f |= Cut
		if o.has(name, TypeDS) {
			f |= Secure
		}
	}
	if o.has(name, TypeDNAME) {
		f |= Redirect
	}
	return f, exists
}

// refused reports whether a zone must not be signed.
func (o oracle) refused() bool {
	if !o.has("", TypeSOA) || !o.has("", TypeNS) || o.has("", TypeDS) || o.has("", TypeCNAME) {
		return true
	}
	for name, sets := range o {
		if o.occluder(name) != 0 {
			continue
		}
		wildcard := name == "2a/" || strings.HasSuffix(name, "/2a/")
		ns := o.has(name, TypeNS) && name != ""
		switch {
		case len(sets[TypeSOA]) > 1, len(sets[TypeCNAME]) > 1, len(sets[TypeDNAME]) > 1,
			name != "" && o.has(name, TypeSOA),
			o.has(name, TypeCNAME) && len(sets) > 1,
			o.has(name, TypeDS) && !ns,
			o.has(name, TypeDNAME) && ns,
			wildcard && (ns || o.has(name, TypeDNAME)):
			return true
		}
	}
	return false
}

// names returns all names of the zone, empty non-terminals too.
func (o oracle) names() (list []string) {
	all := map[string]bool{}
	for name := range o {
		for end := 0; end <= len(name); {
			if _, exists := o.flags(name[:end]); exists {
				all[name[:end]] = true
			}
			next := strings.IndexByte(name[end:], '/')
			if next < 0 {
				break
			}
			end += next + 1
		}
	}
	return slices.Collect(maps.Keys(all))
}

// lines is the zone as text: each name with its flags, each record with the
// lowest TTL of its RRset.
func (o oracle) lines() (out []string) {
	for _, name := range o.names() {
		f, _ := o.flags(name)
		out = append(out, fmt.Sprintf("%s flags %d", name, f))
		for typ, set := range o[name] {
			ttl := ^uint32(0)
			for _, r := range set {
				ttl = min(ttl, r.ttl)
			}
			for rdata := range set {
				out = append(out, fmt.Sprintf("%s %d %d %x", name, ttl, typ, rdata))
			}
		}
	}
	slices.Sort(out)
	return out
}

func zoneLines(z *Zone) (out []string) {
	for n, b := range z.Blocks() {
		for i := range b.Len() {
			name := oracleName(z.AppendName(nil, Pos{n, i}))
			out = append(out, fmt.Sprintf("%s flags %d", name, b.Flags(i)))
		}
	}
	for r := range z.Records() {
		rdata := AppendCanonical(nil, r.Type, r.RData)
		out = append(out, fmt.Sprintf("%s %d %d %x", oracleName(r.Owner), r.TTL, r.Type, rdata))
	}
	slices.Sort(out)
	return out
}

// checkBuild builds a zone of records and compares it with the oracle.
func checkBuild(t *testing.T, list []testRecord) (built bool) {
	t.Helper()
	o, bad := newOracle(list)
	z, err := buildRecords(list, nil)
	if want := bad || o.refused(); want != (err != nil) {
		t.Fatalf("refused: %v, want %v; error %v", err != nil, want, err)
	}
	if err != nil {
		return false
	}
	if got, want := zoneLines(z), o.lines(); !slices.Equal(got, want) {
		t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	checkOrder(t, z)
	r := rand.New(rand.NewPCG(uint64(len(list)), 1))
	shuffled := slices.Clone(list)
	r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	again, err := buildRecords(shuffled, z)
	if err != nil || !slices.Equal(again.Blocks(), z.Blocks()) {
		t.Fatalf("the same records in other order do not share all blocks; error %v", err)
	}
	var stored bytes.Buffer
	if err := z.Encode(&stored); err != nil {
		t.Fatal(err)
	}
	back, err := Decode(&stored)
	if err != nil || !slices.Equal(zoneLines(back), zoneLines(z)) || back.Stats() != z.Stats() {
		t.Fatalf("stored and read back: error %v", err)
	}
	return true
}

// checkOrder checks that names ascend, that each is found, and that the SOA comes
// first of all records.
func checkOrder(t *testing.T, z *Zone) {
	t.Helper()
	var last []byte
	for n, b := range z.Blocks() {
		for i := range b.Len() {
			p := Pos{n, i}
			name := z.AppendName(nil, p)
			if last != nil && canonical(last, name) >= 0 {
				t.Errorf("%x comes after %x", name, last)
			}
			last = name
			key, ok := z.Key(nil, name)
			if got, exact := z.Find(key); !ok || !exact || got != p {
				t.Errorf("%x is at %v, found at %v", name, p, got)
			}
		}
	}
	for r := range z.Records() {
		if r.Type != TypeSOA {
			t.Errorf("the first record is of type %d", r.Type)
		}
		break
	}
}

func TestBuild_AgreesWithAnOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	built := 0
	for range 1000 {
		data := make([]byte, 4*(1+r.IntN(12)))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		if checkBuild(t, append(apexRecords(), inventory(data)...)) {
			built++
		}
	}
	if built < 100 {
		t.Errorf("only %d zones were not refused: the test proves little", built)
	}
}

func FuzzBuild(f *testing.F) {
	f.Add([]byte{}, true)
	f.Add([]byte{1, 2, 0, 0, 9, 0, 0, 0}, true)      // a cut and glue
	f.Add([]byte{17, 1, 0, 0, 2, 1, 0, 0}, true)     // wildcards
	f.Add([]byte{1, 4, 0, 0, 9, 0, 0, 0}, true)      // a DNAME and a name below
	f.Add([]byte{1, 3, 0, 0, 1, 3, 1, 0}, true)      // one CNAME in two cases
	f.Add([]byte{0, 245, 0, 0, 0, 2, 0, 0}, false)   // an apex of its own
	f.Add([]byte{73, 0, 0, 250, 1, 0, 0, 251}, true) // class and TTL
	f.Fuzz(func(t *testing.T, data []byte, apex bool) {
		list := inventory(data[:min(len(data), 200)])
		if apex {
			list = append(apexRecords(), list...)
		}
		checkBuild(t, list)
	})
}

// Whatever was stored, reading it gives a zone or ErrCorrupt, and never a panic.
func FuzzDecode(f *testing.F) {
	z, err := buildRecords(apexRecords(), nil)
	if err != nil {
		f.Fatal(err)
	}
	var stored bytes.Buffer
	if err := z.Encode(&stored); err != nil {
		f.Fatal(err)
	}
	f.Add(stored.Bytes())
	f.Add([]byte(encodeHead))
	f.Fuzz(func(t *testing.T, data []byte) {
		if z, err := Decode(bytes.NewReader(data)); err == nil {
			checkOrder(t, z)
		}
	})
}
