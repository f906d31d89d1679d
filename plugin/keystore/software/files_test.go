package software

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
)

// A key of each kind, with its tag as a ZSK of example.org.
const (
	edID      = "Kexample.org.+015+60794"
	edPublic  = "example.org. IN DNSKEY 256 3 15 iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=\n"
	edPrivate = "Private-key-format: v1.2\nAlgorithm: 15 (ED25519)\nPrivateKey: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n"
)

func write(t *testing.T, s *Store, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(s.dir.Path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func replace(text, old, with string) string {
	if !strings.Contains(text, old) {
		panic("nothing to replace: " + old)
	}
	return strings.Replace(text, old, with, 1)
}

// TestList_FaultyFiles gives each fault its own error that names the file. Open
// refuses with the same words, and no file is touched.
func TestList_FaultyFiles(t *testing.T) {
	key, private, state := edID+".key", edID+".private", edID+".state"
	otherPublic := "example.org. IN DNSKEY 256 3 15 gTl3Dqh9F19Wo1Rmw0x+zMuNipG07jeiXfYPW4/Js5Q=\n"
	tests := []struct {
		name  string
		files map[string]string
		err   string // DIR stands for the directory
	}{
		{"EmptyPublic", map[string]string{key: "", private: edPrivate},
			"DIR/" + key + ": no DNSKEY record in it"},
		{"GarbagePublic", map[string]string{key: "not a record\n", private: edPrivate},
			`DIR/` + key + `: no DNSKEY record: dns: bad A A: "record" at line: 1:12`},
		{"NoRecordType", map[string]string{key: "example.org. IN\n", private: edPrivate},
			`DIR/` + key + `: no DNSKEY record: dns: not a TTL: "IN" at line: 1:15`},
		{"OtherRecord", map[string]string{key: "example.org. IN A 192.0.2.1\n", private: edPrivate},
			"DIR/" + key + ": one DNSKEY record and nothing else is expected"},
		{"TwoRecords", map[string]string{key: edPublic + otherPublic, private: edPrivate},
			"DIR/" + key + ": one DNSKEY record and nothing else is expected"},
		{"Include", map[string]string{key: "$INCLUDE /etc/passwd\n", private: edPrivate},
			`DIR/` + key + `: no DNSKEY record: dns: $INCLUDE directive not allowed: "/etc/passwd" at line: 1:20`},
		{"AnotherZone", map[string]string{key: replace(edPublic, "example.org.", "example.net."), private: edPrivate},
			"DIR/" + key + ": the DNSKEY in it is of example.net., not of example.org."},
		{"TagOfAnotherKey", map[string]string{key: otherPublic, private: edPrivate},
			"DIR/" + key + ": the DNSKEY in it has algorithm 15 and tag 40118, the name of the file says otherwise"},
		{"FlagsChanged", map[string]string{key: replace(edPublic, "256", "257"), private: edPrivate},
			"DIR/" + key + ": the DNSKEY in it has algorithm 15 and tag 60795, the name of the file says otherwise"},
		{"NotAZoneKey", map[string]string{key: replace(edPublic, "256", "0"), private: edPrivate},
			"DIR/" + key + ": dnskey: flags 0: not a zone key (RFC 4034 section 2.1.1)"},
		{"Base64", map[string]string{key: replace(edPublic, "iojj", "*ojj"), private: edPrivate},
			"DIR/" + key + ": public key: illegal base64 data at input byte 0"},
		{"HugePublic", map[string]string{key: edPublic + strings.Repeat("; x\n", 20000), private: edPrivate},
			"public key: DIR/" + key + ": more than 65536 octets are no key file"},

		{"EmptyPrivate", map[string]string{key: edPublic, private: ""},
			"DIR/" + private + ": line 1: Private-key-format is expected"},
		{"PEM", map[string]string{key: edPublic, private: "-----BEGIN PRIVATE KEY-----\n"},
			`DIR/` + private + `: line 1: "Tag: value" is expected`},
		{"FormatV2", map[string]string{key: edPublic, private: replace(edPrivate, "v1.2", "v2.0")},
			`DIR/` + private + `: line 1: Private-key-format "v2.0" is not v1`},
		{"TagTwice", map[string]string{key: edPublic, private: edPrivate + "PrivateKey: AAAA\n"},
			"DIR/" + private + ": line 4: PrivateKey stands there twice"},
		{"PrivateOfAnotherKey", map[string]string{key: edPublic, private: replace(edPrivate, "AQEB", "AgEB")},
			"DIR/" + private + ": this private key does not belong to the public key in " + key},
		{"PrivateOfAnotherAlgorithm", map[string]string{key: edPublic, private: "Private-key-format: v1.3\nAlgorithm: 13 (ECDSAP256SHA256)\nPrivateKey: 8CzZO1AFh2UwntY1cXpqvMPdbZFCxetUmGVGPZT7qB8=\n"},
			"DIR/" + private + ": algorithm 13, but the DNSKEY in " + key + " has 15"},
		{"PrivateKeyMissing", map[string]string{key: edPublic, private: "Private-key-format: v1.3\nAlgorithm: 15\n"},
			"DIR/" + private + ": PrivateKey is missing"},
		{"PrivateKeyCut", map[string]string{key: edPublic, private: replace(edPrivate, "AQEBAQEB", "")},
			"DIR/" + private + ": PrivateKey: 26 octets, not 32"},
		{"PrivateKeyNotBase64", map[string]string{key: edPublic, private: replace(edPrivate, "AQEB", "****")},
			"DIR/" + private + ": PrivateKey: not base64"},
		{"HardwareModule", map[string]string{key: edPublic, private: "Private-key-format: v1.3\nAlgorithm: 15\nEngine: cGtjczExAA==\nLabel: eA==\n"},
			"DIR/" + private + ": the private key is kept in a hardware module (Label, Engine), which is not supported"},
		{"NoTime", map[string]string{key: edPublic, private: edPrivate + "Publish: yesterday\n"},
			`DIR/` + private + `: Publish: "yesterday" is not a time such as 20260102030405`},

		{"StateEmpty", map[string]string{key: edPublic, private: edPrivate, state: "; nothing\n"},
			"DIR/" + state + ": no state in it"},
		{"StateGarbage", map[string]string{key: edPublic, private: edPrivate, state: "Algorithm: 15\nwhat\n"},
			`DIR/` + state + `: line 2: "Tag: value" is expected`},
		{"StateOfAnotherAlgorithm", map[string]string{key: edPublic, private: edPrivate, state: "Algorithm: 13\n"},
			"DIR/" + state + ": algorithm 13, but the key has 15"},
		{"StateOfAnotherRole", map[string]string{key: edPublic, private: edPrivate, state: "KSK: yes\nZSK: no\n"},
			"DIR/" + state + ": KSK yes and ZSK no do not fit a key with flags 256"},
		{"StateNoTime", map[string]string{key: edPublic, private: edPrivate, state: "Published: soon\n"},
			`DIR/` + state + `: Published: "soon" is not a time such as 20260102030405`},

		{"PrivateWithoutPublic", map[string]string{private: edPrivate},
			"DIR/" + private + ": " + key + " is missing: key is incomplete; put it back, or remove this file"},
		{"GarbageWithoutPublic", map[string]string{private: "half a"},
			`DIR/` + private + `: line 1: "Tag: value" is expected`},
		{"ED448", map[string]string{"Kexample.org.+016+00001.key": "example.org. IN DNSKEY 256 3 16 AAAA\n"},
			"DIR/Kexample.org.+016+00001.key: algorithm 16 (ED448) is not supported: Go's standard library has no Ed448; ED25519 is the closest"},
		{"RSASHA1", map[string]string{"Kexample.org.+005+00001.key": "example.org. IN DNSKEY 256 3 5 AwEAAQ==\n"},
			"DIR/Kexample.org.+005+00001.key: algorithm 5 (RSASHA1) must not be used for signing (RFC 9905): SHA-1 is broken and validators treat it as insecure"},
		{"RSAUnder1024", map[string]string{"Kexample.org.+008+00001.key": "example.org. IN DNSKEY 256 3 8 AwEAAf//////////////////////////////\n"},
			"DIR/Kexample.org.+008+00001.key: public key of RSA: bits 184: an RSA key has 1024 to 4096 bits"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := New(t.TempDir())
			write(t, s, test.files)
			before := snapshot(t, s.dir.Path())
			e := one(t, s)
			want := strings.ReplaceAll(test.err, "DIR", s.dir.Path())
			if fmt.Sprint(e.Err) != want {
				t.Errorf("error\n%v, want\n%s", e.Err, want)
			}
			if e.Key.Tag == 0 || e.Key.Algorithm == 0 {
				t.Errorf("key %+v has lost what the name of its file tells", e.Key)
			}
			_, err := s.Open(t.Context(), zone, e.ID)
			if want = "example.org.: open key " + e.ID + ": " + want; fmt.Sprint(err) != want {
				t.Errorf("Open: error\n%v, want\n%s", err, want)
			}
			if after := snapshot(t, s.dir.Path()); !maps.Equal(before, after) {
				t.Errorf("files changed from %q to %q", before, after)
			}
		})
	}
}

// TestList_UnreadableFiles stands directories in for files that cannot be read:
// permissions do not stop the superuser.
func TestList_UnreadableFiles(t *testing.T) {
	for suffix, what := range map[string]string{publicSuffix: "public key", privateSuffix: "private key", stateSuffix: "state of the key"} {
		s := New(t.TempDir())
		write(t, s, map[string]string{edID + publicSuffix: edPublic, edID + privateSuffix: edPrivate, edID + stateSuffix: "Algorithm: 15\n"})
		path := s.dir.Path(edID + suffix)
		if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
			t.Fatal(err)
		}
		want := what + ": " + path + ": not a regular file"
		if e := one(t, s); fmt.Sprint(e.Err) != want {
			t.Errorf("error %v, want %s", e.Err, want)
		}
	}
}

// TestList_PrivateKeysMustBeClosedToOthers; the group may read them, as volumes
// of Kubernetes and some packages of BIND have it.
func TestList_PrivateKeysMustBeClosedToOthers(t *testing.T) {
	for mode, bad := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: false, 0o644: true, 0o604: true, 0o602: true, 0o777: true} {
		s := New(t.TempDir())
		write(t, s, map[string]string{edID + publicSuffix: edPublic, edID + privateSuffix: edPrivate})
		path := s.dir.Path(edID + privateSuffix)
		if err := errors.Join(os.Chmod(path, mode), os.Chmod(s.dir.Path(edID+publicSuffix), 0o644)); err != nil {
			t.Fatal(err)
		}
		want := "<nil>"
		if bad {
			want = fmt.Sprintf("private key: %s: mode %04o lets everybody at the private key; chmod 0600 it", path, mode)
		}
		if e := one(t, s); fmt.Sprint(e.Err) != want {
			t.Errorf("mode %04o: error %v, want %s", mode, e.Err, want)
		}
	}
}

// TestList_OneBadKeyDoesNotHideTheOthers, and what is no key of the zone is not
// listed.
func TestList_OneBadKeyDoesNotHideTheOthers(t *testing.T) {
	s := New(t.TempDir())
	good := create(t, s, spec)
	write(t, s, map[string]string{
		"Kexample.org.+013+00001.key": "", "Kexample.org.+013+00002.state": "Algorithm: 13\n",
		"Kexample.net.+013+00001.key": "", "Kwww.example.org.+013+00001.key": "", "example.org.state.json": "{}",
		"Kexample.org.+013+1.key": "", "Kexample.org.+013+99999.key": "", "Kexample.org.+999+00001.key": "",
		"Kexample.org.+013+00001.key.orig": "", "kexample.org.+013+00003.key": "", "K": "", "Kexample.org.": "",
	})
	list, err := s.List(t.Context(), zone)
	if err != nil || len(list) != 2 || list[0].ID != "Kexample.org.+013+00001" || list[0].Err == nil || list[1].ID != good.ID || list[1].Err != nil {
		t.Errorf("List = %+v, %v", list, err)
	}
}

// TestList_PublicOnly is an off-line key: the .key file alone, with its timing.
func TestList_PublicOnly(t *testing.T) {
	s := New(t.TempDir())
	write(t, s, map[string]string{edID + publicSuffix: "; This is a zone-signing key, keyid 60794, for example.org.\n" +
		"; Created: 20260102030405 (Fri Jan  2 03:04:05 2026)\n; Publish: 20260102030406 (Fri Jan  2 03:04:06 2026)\n" +
		"; Note: 20260102030405\n; Delete: never\n" + edPublic})
	e := one(t, s)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if want := (keystore.Timing{Created: at, Publish: at.Add(time.Second)}); !e.PublicOnly || e.Err != nil || e.Timing != want || !e.HasTiming {
		t.Errorf("entry %+v, want an off-line key with timing %+v", e, want)
	}
	_, err := s.Open(t.Context(), zone, e.ID)
	if !errors.Is(err, keystore.ErrPublicOnly) || !strings.Contains(err.Error(), s.dir.Path(edID)) {
		t.Errorf("Open = %v, want ErrPublicOnly and the file", err)
	}
}

// TestList_State reads what dnssec-policy keeps; its role wins over the flag.
func TestList_State(t *testing.T) {
	state := `; This is the state of key 60795, for example.org.
Algorithm: 15
Length: 256
Lifetime: 0
KSK: yes
ZSK: yes
Generated: 20260102030405 (Fri Jan  2 03:04:05 2026)
Published: 20260102030406 (Fri Jan  2 03:04:06 2026)
Active: 20260102030407 (Fri Jan  2 03:04:07 2026)
PublishCDS: 20260103030405 (Sat Jan  3 03:04:05 2026)
DNSKEYChange: 20260102050405 (Fri Jan  2 05:04:05 2026)
DNSKEYState: omnipresent
DSState: rumoured
GoalState: omnipresent
`
	s := New(t.TempDir())
	id := "Kexample.org.+015+60795"
	write(t, s, map[string]string{id + ".key": replace(edPublic, "256", "257"), id + ".private": edPrivate, id + ".state": state})
	e := one(t, s)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := keystore.Timing{Created: at, Publish: at.Add(time.Second), Activate: at.Add(2 * time.Second), SyncPublish: at.AddDate(0, 0, 1)}
	if e.Err != nil || e.Key.Role != policy.CSK || e.Timing != want || !e.HasTiming {
		t.Errorf("entry %+v, want a CSK with timing %+v", e, want)
	}
	for tag, value := range map[string]string{"DNSKEYState": "omnipresent", "DSState": "rumoured", "Lifetime": "0", "DNSKEYChange": "20260102050405", "ZSK": "yes"} {
		if e.State[tag] != value {
			t.Errorf("%s is %q, want %q", tag, e.State[tag], value)
		}
	}
	write(t, s, map[string]string{id + ".state": replace(state, "ZSK: yes", "ZSK: no")})
	if e := one(t, s); e.Err != nil || e.Key.Role != policy.KSK {
		t.Errorf("entry %+v, want a KSK", e)
	}
}

func TestList_DirectoryThatIsNoneIsAnError(t *testing.T) {
	s := New(t.TempDir() + "/file")
	if list, err := s.List(t.Context(), zone); list != nil || err != nil {
		t.Errorf("List = %v, %v; want nothing of a missing directory", list, err)
	}
	if err := os.WriteFile(s.dir.Path(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := s.List(t.Context(), zone)
	if want := "example.org.: list keys: "; err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), s.dir.Path()) {
		t.Errorf("List: %v, want %s and the path", err, want)
	}
}

// TestOpen_IDsAreNoPaths: only keys of the zone in the directory can be named.
func TestOpen_IDsAreNoPaths(t *testing.T) {
	s := New(t.TempDir())
	e := create(t, s, spec)
	for _, id := range []string{"", ".", "../" + e.ID, "/" + e.ID, e.ID + ".key", e.ID + "\x00", strings.ToLower(e.ID)} {
		if _, err := s.Open(t.Context(), zone, id); !errors.Is(err, keystore.ErrNotExist) {
			t.Errorf("Open(%q) = %v, want ErrNotExist", id, err)
		}
		if err := s.Destroy(t.Context(), zone, id); !errors.Is(err, keystore.ErrNotExist) {
			t.Errorf("Destroy(%q) = %v, want ErrNotExist", id, err)
		}
	}
}

// FuzzPublic: a .key file that is read has a key that can verify.
func FuzzPublic(f *testing.F) {
	f.Add(edPublic)
	f.Add("; Created: 20260102030405 (Fri)\nexample.org. 3600 IN DNSKEY 257 3 13 ( H8+zCrFrLMo+ew5BclVdHj+xA9qCNiLIrHPmdD+FvJAA\n P3oLWzUcp37c5gW0JO/A6yd/42EU87OuNV2qmlwG+g== ) ; x\n")
	f.Add("$GENERATE 1-99999999 a A 192.0.2.$\n")
	f.Add("$ORIGIN org.\n$TTL 1\nexample DNSKEY 256 3 8 AwEAAQ==\n")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parsePublic(text); err == nil {
			if _, err := p.key.PublicKey(); err != nil || p.owner == "" {
				t.Errorf("%q gave %+v, %v", text, p, err)
			}
		}
	})
}

// FuzzPrivate: a .private file that is read can be written and read again as the
// same key.
func FuzzPrivate(f *testing.F) {
	f.Add(edPrivate)
	f.Add("Private-key-format: v1.3\nAlgorithm: 13 (ECDSAP256SHA256)\nPrivateKey: 8CzZO1AFh2UwntY1cXpqvMPdbZFCxetUmGVGPZT7qB8=\nCreated: 20261123144253\n")
	f.Add("Private-key-format: v1.3\nAlgorithm: 8 (RSASHA256)\nModulus: AQ==\nPublicExponent: AQAB\nPrivateExponent: AQ==\nPrime1: AQ==\nPrime2: AQ==\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePrivate(text)
		if err != nil {
			return
		}
		again, err := formatPrivate(p.algorithm, p.signer, p.timing)
		if err != nil {
			t.Fatal(err)
		}
		q, err := parsePrivate(string(again))
		if err != nil || q.timing != p.timing || q.algorithm != p.algorithm || !slices.Equal(timingFields(p.timing), timingFields(q.timing)) {
			t.Errorf("%q written as %q, read as %+v, %v", text, again, q, err)
		}
	})
}

// FuzzState: what is read is times where times belong.
func FuzzState(f *testing.F) {
	f.Add("Algorithm: 13\nGenerated: 20260102030405 (Fri Jan  2 03:04:05 2026)\nDNSKEYState: hidden\n")
	f.Fuzz(func(t *testing.T, text string) {
		if state, err := parseState(text); err == nil && len(state) == 0 {
			t.Errorf("%q gave an empty state", text)
		}
	})
}
