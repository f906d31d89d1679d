package test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/verify"
)

// TestP13_SerialNeverGoesBack takes a zone through restarts, changes of the
// serial scheme both ways, a source whose own serial goes back, and a time in
// which the zone was not configured at all.
func TestP13_SerialNeverGoesBack(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	dir := t.TempDir()
	write(t, dir, map[string]string{"db": plain(1000), "db.other": plain(1)})
	s := start(t, dir, block(zone, "db"))
	serial := s.signed(t, zone)
	keys := dnskeys(t, s.addr, zone)
	for i, step := range []struct {
		what     string
		source   int
		property string
		changed  bool // the zone itself is another one
	}{
		{"a restart", 1000, "", false},
		{"an edit", 1001, "", true},
		{"a source that goes back", 5, "", true},
		{"unixtime", 6, "serial unixtime", true},
		{"back to increment", 7, "serial increment", true},
		{"date", 8, "serial date", true},
		{"increment again, the source far back", 1, "serial increment", true},
	} {
		s.stop(t)
		if step.changed {
			write(t, dir, map[string]string{"db": plain(step.source, fmt.Sprintf("step%d A 192.0.2.1", i))})
		}
		if i == 2 {
			// For a while the server has another zone only.
			s.configure(t, block("example.net.", "db.other"))
			s.launch(t)
			s.signed(t, "example.net.")
			s.stop(t)
		}
		s.configure(t, block(zone, "db", step.property))
		s.launch(t)
		now := s.signed(t, zone)
		if step.changed {
			until(t, step.what, func() string {
				if r := ask(t, s.addr, fmt.Sprintf("step%d.%s", i, zone), dns.TypeA, true); len(r.Answer) == 0 {
					return "the new record is not there"
				}
				return ""
			})
			now = s.signed(t, zone)
		}
		if d := int32(now - serial); d < 0 || step.changed && d == 0 {
			t.Errorf("%s: serial %d after %d", step.what, now, serial)
		}
		serial = now
	}
	if after := dnskeys(t, s.addr, zone); fmt.Sprint(tags(after)) != fmt.Sprint(tags(keys)) {
		t.Errorf("keys %v became %v", tags(keys), tags(after))
	}
	verifyFile(t, zone, axfr(t, s.addr, zone))
}

// TestP13_OlderStateRestoredFromABackup puts back an old folder of keys and
// state. The versions published since are gone from it, so what is published
// next must still not be lower than what the world has seen, or be held back
// with a word.
func TestP13_OlderStateRestoredFromABackup(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	dir := t.TempDir()
	write(t, dir, map[string]string{"db": plain(1)})
	s := start(t, dir, block(zone, "db"))
	serial := s.signed(t, zone)
	s.stop(t)
	backup := filepath.Join(t.TempDir(), "keys")
	if err := os.CopyFS(backup, os.DirFS(filepath.Join(dir, "keys"))); err != nil {
		t.Fatal(err)
	}
	s.launch(t)
	for i := range 3 {
		write(t, dir, map[string]string{"db": plain(2+i, fmt.Sprintf("edit%d A 192.0.2.1", i))})
		serial = s.signedAfter(t, zone, serial)
	}
	s.stop(t)
	restoreState(t, backup, filepath.Join(dir, "keys"))
	s.launch(t)
	until(t, "a version or a refusal", func() string {
		now, problem := soa(s.addr, zone)
		if problem == "" && int32(now-serial) < 0 {
			t.Fatalf("serial %d after %d", now, serial)
		}
		if problem != "" && s.has("ERROR") {
			return ""
		}
		return problem
	})
}

// restoreState puts the state documents of a backup into place.
func restoreState(t *testing.T, backup, dir string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(backup, "*.state.json"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no state document in the backup: %v", err)
	}
	for _, f := range found {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(f)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func tags(keys []*dns.DNSKEY) []int {
	var all []int
	for _, k := range keys {
		all = append(all, int(k.KeyTag()))
	}
	slices.Sort(all)
	return all
}

// TestP16_RandomEditsKeepTheChainWhole edits delegations, empty non-terminals
// and wildcards at random under opt-out and salt, where chains have broken
// before, and has every version verified by another program.
func TestP16_RandomEditsKeepTheChainWhole(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	dir := t.TempDir()
	write(t, dir, map[string]string{"db": plain(1)})
	s := start(t, dir, block(zone, "db", "denial nsec3 optout salt_length 8 iterations 5", "mass_change 100"))
	serial := s.signed(t, zone)
	r := rand.New(rand.NewPCG(16, 16))
	names := map[string]string{}
	for version := range 15 {
		for range 12 {
			name := fmt.Sprintf("n%d", r.IntN(6))
			for range r.IntN(3) {
				name = fmt.Sprintf("%c.%s", 'a'+r.IntN(3), name)
			}
			switch r.IntN(6) {
			case 0, 1:
				delete(names, name)
			case 2:
				names[name] = name + " IN NS ns1\n" + name + " IN DS 1 13 2 " + strings.Repeat("CD", 32) + "\n"
			case 3:
				names[name] = name + " IN NS ns1\n"
			case 4:
				names[name] = "*." + name + " IN A 192.0.2.1\n"
			default:
				names[name] = name + " IN A 192.0.2.2\n"
			}
		}
		text := plain(version+2, fmt.Sprintf("version%d A 192.0.2.3", version))
		for _, n := range slices.Sorted(maps.Keys(names)) {
			text += names[n]
		}
		write(t, dir, map[string]string{"db": text})
		serial = s.signedAfter(t, zone, serial)
		file := axfr(t, s.addr, zone)
		verifyFile(t, zone, file)
		if out, ok := output(t, "", "kzonecheck", "-d", "on", "-o", zone, file); !ok {
			t.Errorf("version %d: kzonecheck: %s\n%s", version, shorten(out), text)
		}
		if t.Failed() {
			t.Fatalf("version %d:\n%s", version, text)
		}
	}
}

// TestP21_NamesAtTheEdges asks for the neighbours, on both sides, of names at
// the limits of what a name can be.
func TestP21_NamesAtTheEdges(t *testing.T) {
	for _, m := range modes[:2] {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			const zone = "example.org."
			s := cornerServer(t, zone, "denial "+m.denial)
			u, tr := newUnbound(t, false, upstream{zone, s.addr, true}), trust(t, s.addr, zone)
			long := longName(zone)
			label63 := strings.Repeat("l", 63)
			for _, name := range []string{
				long, "k" + long[1:], "m" + long[1:], long[2:], label63 + "." + long[strings.Index(long, ".")+1:],
				`\000`, `\000.\000.\000`, `\255`, `\255\255.\255`, `\000www`, `www\000`, `www\000.www`, "*", "*.*", `\042.www`,
				`a\.b`, `a\.`, `a\.b\.c`, `\.`, `a.b`, label63, label63 + "." + label63, strings.Repeat(`\255`, 63),
				strings.Repeat(`\000`, 63), strings.Repeat("a.", 12) + "a", `nul\000w`, `nul\000y`, `sp\032acf`, `back\\slasg`,
			} {
				q := absolute(name, zone)
				r := ask(t, s.addr, q, dns.TypeA, true)
				if _, err := verify.Answer(r, tr); err != nil {
					t.Errorf("%s: %v\n%v", q, err, r)
				}
				if got, msg := u.ask(t, q, dns.TypeA); got != secure {
					t.Errorf("%s: unbound says %s\n%v", q, got, msg)
				}
			}
		})
	}
}
