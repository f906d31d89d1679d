package state

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const hour = Duration(time.Hour)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// digest is the n-th of many digests.
func digest(n int) string { return fmt.Sprintf("%064x", n) }

func testKey(n int, role string) Key {
	return Key{
		ID: fmt.Sprintf("Kexample.org.+013+%05d", n), Role: role, Algorithm: 13, Tag: uint16(n), PublicDigest: digest(n),
		Created: start, Publish: start, Activate: start,
	}
}

func generation(since time.Time, ksk, zsk int) Generation {
	return Generation{
		Since: since, Validity: 336 * hour, ValidityDNSKEY: 336 * hour, Refresh: 120 * hour,
		KSKs: []string{testKey(ksk, "KSK").ID}, ZSKs: []string{testKey(zsk, "ZSK").ID},
	}
}

// full returns a document in which every field has a value.
func full(t testing.TB) *Document {
	t.Helper()
	d := New("example.org.")
	for n, role := range []string{"KSK", "ZSK", "ZSK"} {
		if err := d.AddKey(testKey(n+1, role)); err != nil {
			t.Fatal(err)
		}
	}
	d.Collapse(generation(start, 1, 2))
	d.AddGeneration(generation(start.Add(24*time.Hour), 1, 3))
	d.Salt = []byte{0xab, 0xcd}
	d.SetPolicy(Policy{
		Algorithm: 13, Scheme: "split", Validity: 336 * hour, ValidityDNSKEY: 336 * hour, Refresh: 120 * hour,
		DNSKEYTTL: 3600, Serial: "increment", Denial: Denial{true, true, 2, 1},
	})
	d.Expose(86400, start.Add(336*time.Hour), testKey(1, "").ID, testKey(2, "").ID)
	d.See(start.Add(25 * time.Hour))
	if _, _, err := d.Claim(Claim{Serial: 2026030100, Digest: digest(77), Source: digest(78), Slot: start}, 0); err != nil {
		t.Fatal(err)
	}
	d.Keys[1].Inactive, d.Keys[1].Delete = start.Add(48*time.Hour), start.Add(480*time.Hour)
	return d
}

// The stored form is a promise: this file must be readable by all later versions.
func TestEncode_IsTheStoredForm(t *testing.T) {
	got, err := full(t).Encode()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/v1.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestDecode_GivesBackWhatWasEncoded(t *testing.T) {
	for name, d := range map[string]*Document{"new": New("."), "full": full(t)} {
		data, err := d.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(data, d.Zone)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, d) {
			t.Errorf("%s: got\n%+v\nwant\n%+v", name, got, d)
		}
	}
}

func TestDecode_RefusesWhatItDoesNotUnderstand(t *testing.T) {
	data, err := full(t).Encode()
	if err != nil {
		t.Fatal(err)
	}
	good := string(data)
	for _, c := range []struct {
		name, old, new string
		is             error
		want           string
	}{
		{"newer version", `"version": 1`, `"version": 2`, ErrNewer, "its version is 2, this one knows 1"},
		{"newer version with unknown fields", `"version": 1,`, `"version": 9, "moon": true,`, ErrNewer, "version is 9"},
		{"no version", `"version": 1,`, ``, ErrDamaged, "no version"},
		{"version zero", `"version": 1`, `"version": 0`, ErrDamaged, "no version"},
		{"other zone", `"zone": "example.org."`, `"zone": "example.net."`, ErrOtherZone, `"example.net."`},
		{"unknown field", `"published"`, `"publicised"`, ErrDamaged, `unknown field "publicised"`},
		{"unknown field of a key", `"role"`, `"rule"`, ErrDamaged, `unknown field "rule"`},
		{"wrong kind", `"published": true`, `"published": "yes"`, ErrDamaged, `field "published" at octet`},
		{"duration", `"336h0m0s"`, `"14 days"`, ErrDamaged, `duration "14 days"`},
		{"moment", `"2026-03-01T12:00:00Z"`, `"yesterday"`, ErrDamaged, `yesterday`},
		{"cut short", "]\n}\n", "", ErrDamaged, "unexpected end of JSON input"},
		{"not JSON", `{`, `state:`, ErrDamaged, "not JSON at octet 1"},
		{"two documents", "]\n}\n", "]\n}\n{}", ErrDamaged, "not JSON"},
		{"role", `"KSK"`, `"ksk"`, ErrDamaged, `key Kexample.org.+013+00001: role "ksk"`},
		{"key without ID", `"id": "Kexample.org.+013+00001"`, `"id": ""`, ErrDamaged, "key 0 has no ID"},
		{"key twice", `"id": "Kexample.org.+013+00003"`, `"id": "Kexample.org.+013+00002"`, ErrDamaged, "is there twice"},
		{"digest of a key", `"public_digest": "00`, `"public_digest": "zz`, ErrDamaged, "key Kexample.org.+013+00001: public digest"},
		{"tag of another key", `"tag": 3`, `"tag": 2`, ErrDamaged, "tag 2 is not noted as its own"},
		{"generation of a missing key", "\"ksks\": [\n        \"K", "\"ksks\": [\n        \"X", ErrDamaged, `signs with key "Xexample.org.+013+00001"`},
		{"generations in disorder", `"since": "2026-03-02`, `"since": "2026-02-02`, ErrDamaged, "generations are not in order"},
		{"refresh", `"refresh": "120h0m0s"`, `"refresh": "400h0m0s"`, ErrDamaged, "refresh is not between"},
		{"claim", `"digest": "00`, `"digest": "`, ErrDamaged, "claim of serial 2026030100: digest"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		if text == good {
			t.Errorf("%s: %q is not in the document", c.name, c.old)
		}
		_, err := Decode([]byte(text), "example.org.")
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "state of example.org.: ") {
			t.Errorf("%s: %q does not begin with the zone", c.name, err)
		}
	}
}

func TestEncode_RefusesWhatDecodeWouldRefuse(t *testing.T) {
	for name, spoil := range map[string]func(*Document){
		"version":           func(d *Document) { d.Version = 2 },
		"three generations": func(d *Document) { d.Generations = append(d.Generations, generation(start.Add(1e15), 1, 2)) },
		"forgotten key":     func(d *Document) { d.Keys = d.Keys[1:] },
		"forgotten tag":     func(d *Document) { d.UsedTags = d.UsedTags[1:] },
		"tags in disorder":  func(d *Document) { slices.Reverse(d.UsedTags) },
		"tag of nobody":     func(d *Document) { d.UsedTags = append(d.UsedTags, UsedTag{Tag: 9}) },
		"claims": func(d *Document) {
			d.Claims = append(d.Claims, Claim{Serial: 2026030100, Digest: digest(1)})
		},
		"many claims": func(d *Document) {
			d.Claims = nil
			for n := range MaxClaims + 1 {
				d.Claims = append(d.Claims, Claim{Serial: uint32(n), Digest: digest(n)})
			}
		},
		"year 10000": func(d *Document) { d.LastSeen = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		d := full(t)
		spoil(d)
		if _, err := d.Encode(); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
}

// Whatever is stored, reading it never panics, and what is read can be written
// and read again.
func FuzzDecode(f *testing.F) {
	data, err := full(f).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":1,"zone":"example.org."}`))
	f.Add([]byte(`{"version":1,"zone":"example.org.","keys":null,"salt":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Decode(data, "example.org.")
		if err != nil {
			return
		}
		again, err := d.Encode()
		if err != nil {
			t.Fatal(err)
		}
		e, err := Decode(again, "example.org.")
		if err != nil {
			t.Fatal(err)
		}
		if third, err := e.Encode(); err != nil || !bytes.Equal(again, third) {
			t.Errorf("%v: got\n%s\nwant\n%s", err, third, again)
		}
	})
}
