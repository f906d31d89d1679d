package zone

import (
	"bytes"
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// canonical compares names in wire form as RFC 4034 section 6.1 says it, label by
// label from the right, without sort keys.
func canonical(a, b []byte) int {
	la, lb := labels(a), labels(b)
	for len(la) > 0 && len(lb) > 0 {
		x, y := la[len(la)-1], lb[len(lb)-1]
		for i := 0; i < len(x) && i < len(y); i++ {
			if c := cmp.Compare(small(x[i]), small(y[i])); c != 0 {
				return c
			}
		}
		if c := cmp.Compare(len(x), len(y)); c != 0 {
			return c // the absence of an octet sorts before a zero octet
		}
		la, lb = la[:len(la)-1], lb[:len(lb)-1]
	}
	return cmp.Compare(len(la), len(lb))
}

// labels splits a name in wire form, the root label left out.
func labels(wire []byte) (list [][]byte) {
	for wire[0] != 0 {
		n := 1 + int(wire[0])
		list = append(list, wire[1:n])
		wire = wire[n:]
	}
	return list
}

// small is an octet in lower case (RFC 4343 section 3).
func small(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c - 'A' + 'a'
	}
	return c
}

// inLower is a name in wire form in lower case; lengths are below any letter.
func inLower(wire []byte) []byte {
	out := bytes.Clone(wire)
	for i := range out {
		out[i] = small(out[i])
	}
	return out
}

// octets are those that could be mistaken for something else in a name.
var octets = []byte{0, 1, 2, ' ', '*', '-', '.', '/', '0', '@', 'A', 'Z', '[', '\\', '`', 'a', 'z', '{', 0x7f, 0x80, 0xc0, 0xfe, 0xff}

// randomName is a name in wire form with labels of any octets and lengths.
func randomName(r *rand.Rand) []byte {
	var name []byte
	for range r.IntN(6) {
		n := 1 + r.IntN(4)
		switch r.IntN(8) {
		case 0:
			n = 63
		case 1:
			n = 1 + r.IntN(63)
		}
		if len(name)+1+n+1 > MaxWire {
			n = MaxWire - len(name) - 2 // 255 octets in all
		}
		if n < 1 {
			break
		}
		name = append(name, byte(n))
		for range n {
			name = append(name, octets[r.IntN(len(octets))])
		}
	}
	return append(name, 0)
}

// checkNames compares everything said of two names and their keys.
func checkNames(t *testing.T, a, b []byte) {
	t.Helper()
	ka, kb := AppendKey(nil, a), AppendKey(nil, b)
	if got, want := bytes.Compare(ka, kb), canonical(a, b); got != want {
		t.Errorf("%x and %x compare as %d, want %d", a, b, got, want)
	}
	if got := AppendWire(nil, ka, []byte{0}); !bytes.Equal(got, inLower(a)) {
		t.Errorf("%x comes back as %x", a, got)
	}
	if len(ka) > MaxKey {
		t.Errorf("the key of %x has %d octets", a, len(ka))
	}
	la, lb := labels(inLower(a)), labels(inLower(b))
	if Labels(ka) != len(la) {
		t.Errorf("%x has %d labels, want %d", a, Labels(ka), len(la))
	}
	if want := len(la) > 0 && string(la[0]) == "*"; IsWildcard(ka) != want {
		t.Errorf("%x is a wildcard: %v, want %v", a, !want, want)
	}
	if len(la) > 0 {
		up := a[1+len(la[0]):]
		if got := Parent(ka); !bytes.Equal(got, AppendKey(nil, up)) {
			t.Errorf("the parent of %x is %q", a, got)
		}
	}
	shared := 0
	for shared < len(la) && shared < len(lb) && bytes.Equal(la[len(la)-1-shared], lb[len(lb)-1-shared]) {
		shared++
	}
	if got := Common(ka, kb); Labels(ka[:got]) != shared || !bytes.Equal(ka[:got], kb[:got]) {
		t.Errorf("%x and %x share %q, want %d labels", a, b, ka[:got], shared)
	}
	below := shared == len(lb)
	if bytes.HasPrefix(ka, kb) != below {
		t.Errorf("%x is at or below %x: %v, want %v", a, b, !below, below)
	}
	rel, ok := RelativeKey([]byte("x"), a, inLower(b))
	if ok != below || rel[0] != 'x' || ok && !bytes.Equal(append(bytes.Clone(kb), rel[1:]...), ka) {
		t.Errorf("%x relative to %x is %q, %v", a, b, rel, ok)
	}
}

// P21: the order of names, their parents and ancestors, whatever their octets.
func TestAppendKey_P21_OrderIsCanonical(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 21))
	names := [][]byte{{0}}
	for range 3000 {
		n := randomName(r)
		names = append(names, n)
		if len(n) > 2 { // and a near relation
			near := bytes.Clone(n)
			near[1+r.IntN(int(n[0]))] = octets[r.IntN(len(octets))]
			names = append(names, near)
		}
	}
	for i, n := range names {
		if !ValidWire(n) {
			t.Fatalf("%x is not valid", n)
		}
		checkNames(t, n, names[max(0, i-1)])
		checkNames(t, n, names[r.IntN(len(names))])
	}
	slices.SortFunc(names, func(a, b []byte) int { return bytes.Compare(AppendKey(nil, a), AppendKey(nil, b)) })
	if !slices.IsSortedFunc(names, canonical) {
		t.Error("names sorted by their keys are not in canonical order")
	}
}

// Every pair of short names over the octets that keys treat in a way of their own.
func TestAppendKey_P21_ShortNamesExhaustively(t *testing.T) {
	var short [][]byte
	for _, a := range []byte{0, 1, 2, 'A', 0xff} {
		short = append(short, []byte{1, a})
		for _, b := range []byte{0, 1, 'a'} {
			short = append(short, []byte{2, a, b})
		}
	}
	names := [][]byte{{0}}
	for _, a := range short {
		names = append(names, append(bytes.Clone(a), 0))
		for _, b := range short {
			names = append(names, slices.Concat(a, b, []byte{0}))
		}
	}
	for i, a := range names {
		for _, b := range names[i:] {
			if bytes.Compare(AppendKey(nil, a), AppendKey(nil, b)) != canonical(a, b) {
				t.Errorf("%x and %x compare as %d", a, b, -canonical(a, b))
			}
		}
	}
}

// The order that RFC 4034 section 6.1 prints.
func TestAppendKey_OrderOfTheRFC(t *testing.T) {
	var names [][]byte
	for _, n := range []string{
		"example.", "a.example.", "yljkjljk.a.example.", "Z.a.example.", "zABC.a.EXAMPLE.", "z.example.",
		`\001.z.example.`, "*.z.example.", `\200.z.example.`,
	} {
		names = append(names, wire(t, n))
	}
	if !slices.IsSortedFunc(names, func(a, b []byte) int { return bytes.Compare(AppendKey(nil, a), AppendKey(nil, b)) }) {
		t.Error("the keys are not in the order of the RFC")
	}
}

func TestValidWire(t *testing.T) {
	longest := slices.Concat(bytes.Repeat(append([]byte{63}, make([]byte, 63)...), 3), append([]byte{61}, make([]byte, 61)...), []byte{0})
	for _, c := range []struct {
		name string
		wire []byte
		want bool
	}{
		{"root", []byte{0}, true},
		{"255 octets", longest, true},
		{"nothing", nil, false},
		{"no root label", []byte{1, 'a'}, false},
		{"cut in a label", []byte{5, 'a'}, false},
		{"more behind", []byte{1, 'a', 0, 0}, false},
		{"compressed", []byte{1, 'a', 0xc0, 12}, false},
		{"label of 64", append(append([]byte{64}, make([]byte, 64)...), 0), false},
		{"256 octets", append([]byte{1, 'a'}, longest[1:]...), false},
	} {
		if got := ValidWire(c.wire); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

func TestAppendWildcard(t *testing.T) {
	for _, n := range []string{".", "example.", `\000.\001.example.`} {
		want := AppendKey(nil, append([]byte{1, '*'}, wire(t, n)...))
		if got := AppendWildcard(nil, AppendKey(nil, wire(t, n))); !bytes.Equal(got, want) || !IsWildcard(got) {
			t.Errorf("%s: got %q, want %q", n, got, want)
		}
	}
}

// nameFrom makes a valid name of any octets: each label's length is taken from
// the first octet left.
func nameFrom(data []byte) []byte {
	var name []byte
	for len(data) > 1 {
		n := min(1+int(data[0])%63, len(data)-1, MaxWire-2-len(name))
		if n < 1 {
			break
		}
		name = append(append(name, byte(n)), data[1:1+n]...)
		data = data[1+n:]
	}
	return append(name, 0)
}

func FuzzAppendKey(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 21))
	for range 20 {
		f.Add(randomName(r), randomName(r))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		a, b = nameFrom(a), nameFrom(b)
		checkNames(t, a, b)
		checkNames(t, b, a)
		if below := slices.Concat(a[:len(a)-1], b); len(below) <= MaxWire {
			checkNames(t, below, b)
		}
	})
}
