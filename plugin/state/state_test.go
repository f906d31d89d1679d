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

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

const hour = Duration(time.Hour)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// digest is the n-th of many digests.
func digest(n int) string { return fmt.Sprintf("%064x", n) }

func testKey(n int, role policy.Role) rollover.Key {
	return rollover.Key{
		ID: fmt.Sprintf("Kexample.org.+013+%05d", n), Role: role, Algorithm: 13, Tag: uint16(n), PublicDigest: digest(n),
		Created: start, Active: start,
	}
}

func testSpare(n int) Spare {
	k := testKey(n, policy.ZSK)
	return Spare{ID: k.ID, Role: k.Role, Algorithm: k.Algorithm, Tag: k.Tag, PublicDigest: k.PublicDigest, Created: start}
}

func generation(since time.Time, zsk int) Generation {
	return Generation{
		Since: since, Validity: 336 * hour, ValidityDNSKEY: 336 * hour, Refresh: 120 * hour,
		ZSKs: []string{testKey(zsk, policy.ZSK).ID},
	}
}

// status returns the states of a key's records, DNSKEY first.
func status(states ...rollover.State) (list rollover.Statuses) {
	for i, s := range states {
		list[i] = rollover.Status{State: s, Goal: rollover.Omnipresent, Since: start}
		if s == rollover.Hidden || s == rollover.Unretentive {
			list[i].Goal = rollover.Hidden
		}
	}
	return list
}

// full returns a document in which every field has a value.
func full(t testing.TB) *Document {
	t.Helper()
	const hidden, rumoured, omnipresent, unretentive = rollover.Hidden, rollover.Rumoured, rollover.Omnipresent, rollover.Unretentive
	d := New("example.org.")
	for n, role := range []policy.Role{policy.KSK, policy.ZSK, policy.ZSK} {
		if err := d.AddKey(testKey(n+1, role)); err != nil {
			t.Fatal(err)
		}
	}
	ksk, old, next := &d.KeySet.Keys[0], &d.KeySet.Keys[1], &d.KeySet.Keys[2]
	ksk.Records, ksk.DSSeen, ksk.ByHand = status(omnipresent, omnipresent, hidden, rumoured), start.Add(time.Hour), true
	old.Records, old.Retired = status(omnipresent, hidden, unretentive, hidden), start.Add(24*time.Hour)
	next.Records, next.Predecessors = status(omnipresent, hidden, rumoured, hidden), []string{old.ID}
	next.Records[rollover.ZRRSIG].Pending = true
	s := &d.KeySet
	s.Requests = []rollover.Request{{Role: policy.KSK, Emergency: true, At: start, Why: "stolen"}}
	s.Hold, s.Urgent = &rollover.Hold{Since: start, Why: "holidays"}, true
	s.DNSKEYTTL.Serve(start, 3600)
	s.ZoneTTL.Serve(start, 86400)
	s.DSTTL.Serve(start, 86400)
	if err := d.AddSpare(testSpare(4)); err != nil {
		t.Fatal(err)
	}
	d.Doomed = []string{testKey(5, policy.ZSK).ID}
	d.Collapse(generation(start, 2))
	d.Generations[0].Complete = start.Add(time.Minute)
	d.AddGeneration(generation(start.Add(24*time.Hour), 3))
	d.Salt = []byte{0xab, 0xcd}
	p := policy.Default()
	p.Denial, p.AlgorithmGiven = policy.Denial{NSEC3: true, OptOut: true, SaltLength: 2, Iterations: 1}, true
	d.SetPolicy(PolicyOf(p))
	d.PolicyAsOf, d.PolicySets = start, []string{digest(79)}
	d.Expose(86400, start.Add(336*time.Hour), ksk.ID, old.ID)
	d.See(start.Add(25 * time.Hour))
	if _, _, err := d.Claim(Claim{Serial: 2026030100, Digest: digest(77), Source: digest(78), Slot: start}, 0); err != nil {
		t.Fatal(err)
	}
	return d
}

// The stored form is a promise: this file must be readable by all later versions.
func TestEncode_IsTheStoredForm(t *testing.T) {
	got, err := full(t).Encode()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/v2.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A part that was once written, and is of no use any more, does not keep a document from being read.
func TestDecode_TakesWhatIsNotUsedAnyMore(t *testing.T) {
	want := full(t)
	data, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	earlier := strings.Replace(string(data), `"last_seen": `,
		`"exposure": {"max_ttl": 86400, "latest_expiry": "2026-03-15T12:00:00Z"}, "last_seen": `, 1)
	got, err := Decode([]byte(earlier), want.Zone)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDecode_GivesBackWhatWasEncoded(t *testing.T) {
	claims := full(t)
	if _, _, err := claims.Claim(Claim{Serial: 2026030101, Digest: digest(79), Source: digest(80), Slot: start}, 0); err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]*Document{"new": New("."), "full": full(t), "two claims": claims} {
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
		{"newer version", `"version": 2`, `"version": 3`, ErrNewer, "its version is 3, this one knows 2"},
		{"newer version with unknown fields", `"version": 2,`, `"version": 9, "moon": true,`, ErrNewer, "version is 9"},
		{"no version", `"version": 2,`, ``, ErrDamaged, "no version"},
		{"version zero", `"version": 2`, `"version": 0`, ErrDamaged, "no version"},
		{"the older version's number", `"version": 2`, `"version": 1`, ErrDamaged, `unknown field "key_set"`},
		{"other zone", `"zone": "example.org."`, `"zone": "example.net."`, ErrOtherZone, `"example.net."`},
		{"unknown field", `"published"`, `"publicised"`, ErrDamaged, `unknown field "publicised"`},
		{"unknown field of a key", `"role"`, `"rule"`, ErrDamaged, `unknown field "rule"`},
		{"wrong kind", `"published": true`, `"published": "yes"`, ErrDamaged, `field "published" at octet`},
		{"duration", `"336h0m0s"`, `"14 days"`, ErrDamaged, `duration "14 days"`},
		{"moment", `"2026-03-01T12:00:00Z"`, `"yesterday"`, ErrDamaged, `yesterday`},
		{"cut short", "]\n}\n", "", ErrDamaged, "unexpected end of JSON input"},
		{"not JSON", `{`, `state:`, ErrDamaged, "not JSON at octet 1"},
		{"two documents", "]\n}\n", "]\n}\n{}", ErrDamaged, "not JSON"},
		{"role", `"KSK"`, `"DSK"`, ErrDamaged, `role: "DSK"`},
		{"state of a record", `"omnipresent"`, `"everywhere"`, ErrDamaged, `"everywhere"`},
		{"goal of a record", `"goal": "omnipresent"`, `"goal": "rumoured"`, ErrDamaged, "not to rumoured"},
		{"DS seen and gone", `"ds_seen"`, `"ds_gone": "2026-03-01T13:00:00Z", "ds_seen"`, ErrDamaged, "both seen and gone"},
		{"key without ID", `"id": "Kexample.org.+013+00001"`, `"id": ""`, ErrDamaged, "key 0 has no ID"},
		{"key twice", `"id": "Kexample.org.+013+00003"`, `"id": "Kexample.org.+013+00002"`, ErrDamaged, "is there twice"},
		{"key in the pool", `"Kexample.org.+013+00004"`, `"Kexample.org.+013+00003"`, ErrDamaged, "is in the key set and outside"},
		{"key of the pool without ID", `"Kexample.org.+013+00004"`, `""`, ErrDamaged, "no ID"},
		{"tag of a key of the pool", `"tag": 4`, `"tag": 2`, ErrDamaged, "pool: tag 2 is not noted as its own"},
		{"digest of a key", `"public_digest": "00`, `"public_digest": "zz`, ErrDamaged, "key Kexample.org.+013+00001: public digest"},
		{"tag of another key", `"tag": 3`, `"tag": 2`, ErrDamaged, "tag 2 is not noted as its own"},
		{"generation of a missing key", "\"zsks\": [\n        \"K", "\"zsks\": [\n        \"X", ErrDamaged, `signs with key "Xexample.org.+013+00002"`},
		{"generations in disorder", `"since": "2026-03-02T12:00:00Z",
      "validity"`, `"since": "2026-02-02T12:00:00Z",
      "validity"`, ErrDamaged, "generations are not in order"},
		{"refresh", `"refresh": "120h0m0s",
      "zsks"`, `"refresh": "400h0m0s",
      "zsks"`, ErrDamaged, "refresh is not between"},
		{"scheme", `"scheme": "split"`, `"scheme": "triple"`, ErrDamaged, `scheme: "triple"`},
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
		"version":                             func(d *Document) { d.Version = 1 },
		"three generations":                   func(d *Document) { d.Generations = append(d.Generations, generation(start.Add(1e15), 2)) },
		"no refresh":                          func(d *Document) { d.Generations[1].Refresh = 0 },
		"refresh as late as the rest expires": func(d *Document) { d.Generations[1].Validity = d.Generations[1].Refresh },
		"refresh as late as the DNSKEY set":   func(d *Document) { d.Generations[1].ValidityDNSKEY = d.Generations[1].Refresh },
		"a spare without a digest":            func(d *Document) { d.Pool[0].PublicDigest = "" },
		"a spare with half a digest": func(d *Document) {
			d.Pool[0].PublicDigest = "ab"
			i := slices.IndexFunc(d.UsedTags, func(u UsedTag) bool { return u.Tag == d.Pool[0].Tag })
			d.UsedTags[i].PublicDigest = "ab"
		},
		"nobody signs":     func(d *Document) { d.Generations[1].ZSKs = nil },
		"forgotten key":    func(d *Document) { d.KeySet.Keys = d.KeySet.Keys[:1] },
		"no role":          func(d *Document) { d.KeySet.Keys[0].Role = 0 },
		"forgotten tag":    func(d *Document) { d.UsedTags = d.UsedTags[1:] },
		"tags in disorder": func(d *Document) { slices.Reverse(d.UsedTags) },
		"tags of keys long gone, in disorder": func(d *Document) {
			d.UsedTags = append(d.UsedTags, UsedTag{Tag: 99, PublicDigest: digest(99)}, UsedTag{Tag: 98, PublicDigest: digest(98)})
		},
		"a tag twice": func(d *Document) {
			d.UsedTags = append(d.UsedTags, UsedTag{Tag: 99, PublicDigest: digest(99)}, UsedTag{Tag: 99, PublicDigest: digest(98)})
		},
		"tag of nobody": func(d *Document) { d.UsedTags = append(d.UsedTags, UsedTag{Tag: 9}) },
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
	v1, err := os.ReadFile("testdata/v1.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(v1)
	f.Add([]byte(`{"version":2,"zone":"example.org."}`))
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
