package software

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
)

// run runs a tool in a directory and returns what it prints. A tool that is
// not installed is a failure: a comparison that does not run proves nothing.
func run(t *testing.T, dir, tool string, args ...string) (string, bool) {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		path = filepath.Join("/usr/sbin", tool)
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s is not installed; `make tools` installs it", tool)
			return "", false
		}
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		stderr := ""
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			stderr = string(exit.Stderr)
		}
		t.Fatalf("%s %q: %v\n%s", tool, args, err, stderr)
	}
	return strings.TrimSpace(string(out)), true
}

var algorithms = []policy.Algorithm{policy.RSASHA256, policy.RSASHA512, policy.ECDSAP256SHA256, policy.ECDSAP384SHA384, policy.ED25519}

// TestList_ReadsKeysOfDnssecKeygen for every algorithm, as KSK and ZSK, with and
// without timing metadata.
func TestList_ReadsKeysOfDnssecKeygen(t *testing.T) {
	s := New(t.TempDir())
	type wanted struct {
		role   policy.Role
		timing bool
	}
	want := map[string]wanted{}
	for _, alg := range algorithms {
		for role, args := range map[policy.Role][]string{policy.KSK: {"-f", "KSK"}, policy.ZSK: nil} {
			for _, timing := range []bool{true, false} {
				args := slices.Concat([]string{"-q", "-a", alg.String()}, args)
				if alg.RSA() {
					args = append(args, "-b", "1024")
				}
				if !timing {
					args = append(args, "-C")
				}
				id, ok := run(t, s.dir.Path(), "dnssec-keygen", append(args, "Example.ORG")...)
				if !ok {
					return
				}
				want[id] = wanted{role, timing}
			}
		}
	}
	list, err := s.List(t.Context(), zone)
	if err != nil || len(list) != len(want) {
		t.Fatalf("%d keys, %v; want %d", len(list), err, len(want))
	}
	for _, e := range list {
		w := want[e.ID]
		if e.Err != nil || e.PublicOnly || e.Key.Role != w.role || e.HasTiming != w.timing {
			t.Errorf("entry %+v, want %+v", e, w)
		}
		if w.timing && (e.Timing.Created.IsZero() || e.Timing.Publish != e.Timing.Created || e.Timing.Activate != e.Timing.Created) {
			t.Errorf("%s: timing %+v", e.ID, e.Timing)
		}
		if _, err := s.Open(t.Context(), zone, e.ID); err != nil {
			t.Error(err)
		}
	}
}

// TestList_ReadsTimingOfDnssecSettime compares every time that it can set.
func TestList_ReadsTimingOfDnssecSettime(t *testing.T) {
	s := New(t.TempDir())
	id, ok := run(t, s.dir.Path(), "dnssec-keygen", "-q", "-G", "-a", "ED25519", "-f", "KSK", zone)
	if !ok {
		return
	}
	e := one(t, s)
	if !e.HasTiming || !e.Timing.Publish.IsZero() || e.Timing.Published(time.Now()) {
		t.Errorf("entry %+v, want one that is not to be published", e)
	}
	run(t, s.dir.Path(), "dnssec-settime", "-P", "20260101000001", "-A", "20260101000002", "-R", "20260101000003",
		"-I", "20260101000004", "-D", "20260101000005", "-P", "sync", "20260101000006", "-D", "sync", "20260101000007", id)
	at := func(second int) time.Time { return time.Date(2026, 1, 1, 0, 0, second, 0, time.UTC) }
	want := keystore.Timing{Created: e.Timing.Created, Publish: at(1), Activate: at(2), Revoke: at(3),
		Inactive: at(4), Delete: at(5), SyncPublish: at(6), SyncDelete: at(7)}
	if got := one(t, s); got.Err != nil || got.Timing != want {
		t.Errorf("entry %+v, want timing %+v", got, want)
	}
	// The .key file alone says the same.
	if err := os.Remove(s.dir.Path(id + privateSuffix)); err != nil {
		t.Fatal(err)
	}
	if got := one(t, s); got.Err != nil || !got.PublicOnly || got.Timing != want {
		t.Errorf("off-line entry %+v, want timing %+v", got, want)
	}
}

// TestList_ReadsTheStateOfDnssecPolicy has dnssec-keygen make a combined key.
func TestList_ReadsTheStateOfDnssecPolicy(t *testing.T) {
	s := New(t.TempDir())
	if _, ok := run(t, s.dir.Path(), "dnssec-keygen", "-q", "-k", "default", "-l", config(t), zone); !ok {
		return
	}
	e := one(t, s)
	if e.Err != nil || e.Key.Role != policy.CSK || e.State["KSK"] != "yes" || e.State["ZSK"] != "yes" || e.State["Algorithm"] != "13" {
		t.Errorf("entry %+v, want a CSK with its state", e)
	}
	run(t, s.dir.Path(), "dnssec-settime", "-s", "-g", "OMNIPRESENT", "-k", "RUMOURED", "20260101000000", e.ID)
	if e = one(t, s); e.Err != nil || e.State["GoalState"] != "omnipresent" || e.State["DNSKEYState"] != "rumoured" || e.State["DNSKEYChange"] != "20260101000000" {
		t.Errorf("state %+v", e.State)
	}
}

// config is an empty named.conf: the policy default is built in.
func config(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "named.conf")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestList_ReadsKeysOfLdnsKeygen for every algorithm; ldns writes the zone's
// name as it gets it, and no timing.
func TestList_ReadsKeysOfLdnsKeygen(t *testing.T) {
	s := New(t.TempDir())
	made := 0
	for _, alg := range algorithms {
		for _, args := range [][]string{{"-k"}, nil} {
			args := slices.Concat([]string{"-a", alg.String(), "-b", "1024"}, args)
			if _, ok := run(t, s.dir.Path(), "ldns-keygen", append(args, "Example.org")...); !ok {
				return
			}
			made++
		}
	}
	// ldns leaves the files readable by the group, or by everybody.
	files, err := filepath.Glob(s.dir.Path("*.private"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.Chmod(f, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.List(t.Context(), zone)
	if err != nil || len(list) != made {
		t.Fatalf("%d keys, %v; want %d", len(list), err, made)
	}
	for _, e := range list {
		if e.Err != nil || e.HasTiming {
			t.Errorf("entry %+v", e)
		}
		if _, err := s.Open(t.Context(), zone, e.ID); err != nil {
			t.Error(err)
		}
	}
}

// TestCreate_BINDTakesOurKeys: dnssec-dsfromkey computes our DS, dnssec-signzone
// -S finds and uses the keys, dnssec-verify accepts what it makes of them, and
// ldns-signzone signs with them, too.
func TestCreate_BINDTakesOurKeys(t *testing.T) {
	for _, alg := range algorithms {
		t.Run(alg.String(), func(t *testing.T) {
			s := New(t.TempDir())
			var ids []string
			for _, role := range []policy.Role{policy.KSK, policy.ZSK} {
				bits := min(alg.DefaultBits(), 1024)
				e := create(t, s, keystore.Spec{Role: role, Algorithm: alg, Bits: bits, Now: time.Now()})
				ids = append(ids, e.ID)
				compareDS(t, s, e)
				settime(t, s, e)
			}
			write(t, s, map[string]string{"db": `example.org. 300 IN SOA ns.example.org. h.example.org. 1 7200 900 1209600 300
example.org. 300 IN NS ns.example.org.
ns.example.org. 300 IN A 192.0.2.1
`})
			if _, ok := run(t, s.dir.Path(), "dnssec-signzone", "-q", "-S", "-x", "-o", zone, "-f", "signed", "db"); ok {
				run(t, s.dir.Path(), "dnssec-verify", "-q", "-z", "-o", zone, "signed")
				run(t, s.dir.Path(), "dnssec-verify", "-q", "-o", zone, "signed")
			}
			if _, ok := run(t, s.dir.Path(), "ldns-signzone", append([]string{"-f", "ldns", "db"}, ids...)...); ok {
				run(t, s.dir.Path(), "ldns-verify-zone", "ldns")
			}
		})
	}
}

// compareDS holds our DS against that of dnssec-dsfromkey and ldns-key2ds.
func compareDS(t *testing.T, s *Store, e keystore.Entry) {
	t.Helper()
	origin := make([]byte, 255)
	n, err := dns.PackDomainName(zone, origin, 0, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	for digest, flag := range map[uint8][2]string{key.SHA256: {"SHA-256", "-2"}, key.SHA384: {"SHA-384", "-4"}} {
		ds, err := e.Key.DS(origin[:n], digest)
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("example.org. IN DS %d %d %d %s", e.Key.Tag, e.Key.Algorithm, digest, strings.ToUpper(hex.EncodeToString(ds[4:])))
		if got, ok := run(t, s.dir.Path(), "dnssec-dsfromkey", "-a", flag[0], e.ID+publicSuffix); ok && got != want {
			t.Errorf("dnssec-dsfromkey says %s, we %s", got, want)
		}
		if got, ok := run(t, s.dir.Path(), "ldns-key2ds", "-n", "-f", flag[1], e.ID+publicSuffix); ok {
			fields := strings.Fields(got)
			if last := fields[len(fields)-1]; !strings.HasSuffix(want, strings.ToUpper(last)) {
				t.Errorf("ldns-key2ds says %s, we %s", got, want)
			}
		}
	}
}

// settime has BIND read our timing metadata back.
func settime(t *testing.T, s *Store, e keystore.Entry) {
	t.Helper()
	got, ok := run(t, s.dir.Path(), "dnssec-settime", "-u", "-p", "C", "-p", "P", "-p", "A", e.ID)
	if !ok {
		return
	}
	at := e.Timing.Created.Unix()
	if want := fmt.Sprintf("Created: %d\nPublish: %d\nActivate: %d", at, at, at); got != want {
		t.Errorf("dnssec-settime reads\n%s, want\n%s", got, want)
	}
}

// TestFileNames_AreBINDs for zones with odd octets.
func TestFileNames_AreBINDs(t *testing.T) {
	for _, zone := range []string{".", `a\/b.ex\.am\000ple.org.`, `a%b_c$d.ex\065m.`, `\@\(x.`, "*.example."} {
		s := New(t.TempDir())
		id, ok := run(t, s.dir.Path(), "dnssec-keygen", "-q", "-a", "ED25519", zone)
		if !ok {
			return
		}
		list, err := s.List(t.Context(), zone)
		if err != nil || len(list) != 1 || list[0].ID != id || list[0].Err != nil {
			t.Errorf("%s: %+v, %v; want the key %s", zone, list, err, id)
		}
		ours, err := s.Create(t.Context(), zone, spec)
		if err != nil {
			t.Fatal(err)
		}
		if ours.ID[:len(ours.ID)-5] != id[:len(id)-5] {
			t.Errorf("%s: BIND names it %s, we %s", zone, id, ours.ID)
		}
		run(t, s.dir.Path(), "dnssec-dsfromkey", ours.ID+publicSuffix)
	}
}
