package software

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/durable"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/keystore/keystoretest"
	"github.com/autosign-dns/autosign/plugin/policy"
)

func TestStore(t *testing.T) {
	keystoretest.Run(t, func(t *testing.T) (a, b keystore.Keystore) {
		dir := filepath.Join(t.TempDir(), "keys")
		return New(dir), New(dir)
	})
}

const zone = "example.org."

var spec = keystore.Spec{
	Role: policy.ZSK, Algorithm: policy.ED25519, Now: time.Date(2026, 1, 2, 3, 4, 5, 678, time.FixedZone("CET", 3600)),
}

func create(t *testing.T, s *Store, spec keystore.Spec) keystore.Entry {
	t.Helper()
	e, err := s.Create(t.Context(), zone, spec)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// one returns the only key of the zone.
func one(t *testing.T, s *Store) keystore.Entry {
	t.Helper()
	list, err := s.List(t.Context(), zone)
	if err != nil || len(list) != 1 {
		t.Fatalf("List = %+v, %v; want one key", list, err)
	}
	return list[0]
}

// snapshot returns every file of a directory with its contents and mode.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), ".autosign") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil && !e.IsDir() {
			t.Fatal(err)
		}
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = fmt.Sprintf("%v %s", info.Mode(), data)
	}
	return all
}

// seeded makes Create generate known Ed25519 keys, one after the other.
func seeded(s *Store, seeds ...byte) {
	s.generate = func(policy.Algorithm, int) (crypto.Signer, error) {
		if len(seeds) == 0 {
			return nil, errors.New("out of keys")
		}
		seed := seeds[0]
		seeds = seeds[1:]
		return ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune(seed)), ed25519.SeedSize))), nil
	}
}

func TestCreate_WritesBINDsFiles(t *testing.T) {
	s := New(t.TempDir())
	seeded(s, 1)
	ksk := spec
	ksk.Role = policy.KSK
	e := create(t, s, ksk)
	want := map[string]string{
		"Kexample.org.+015+60795.key": `-rw------- ; This is a key-signing key, keyid 60795, for example.org.
; Created: 20260102020405 (Fri Jan  2 02:04:05 2026)
; Publish: 20260102020405 (Fri Jan  2 02:04:05 2026)
; Activate: 20260102020405 (Fri Jan  2 02:04:05 2026)
example.org. IN DNSKEY 257 3 15 iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=
`,
		"Kexample.org.+015+60795.private": `-rw------- Private-key-format: v1.3
Algorithm: 15 (ED25519)
PrivateKey: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=
Created: 20260102020405
Publish: 20260102020405
Activate: 20260102020405
`,
	}
	got := snapshot(t, s.dir.Path())
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s:\n%s\nwant\n%s", name, got[name], want[name])
		}
	}
	if len(got) != len(want) || e.ID != "Kexample.org.+015+60795" {
		t.Errorf("ID %s, files %q", e.ID, got)
	}
}

// TestCreate_P2TagsNeverRepeat hands out a key twice, one whose tag another key
// has, and one whose tag another would get by being revoked.
func TestCreate_P2TagsNeverRepeat(t *testing.T) {
	s := New(t.TempDir())
	seeded(s, 1, 1, 1, 2)
	first, second := create(t, s, spec), create(t, s, spec)
	if first.Key.Tag == second.Key.Tag {
		t.Errorf("tag %d was given twice", first.Key.Tag)
	}
	revoked := second.Key.RevokedTag()
	used := spec
	used.Used = func(tag uint16) bool { return tag == revoked }
	s = New(t.TempDir())
	seeded(s, 2)
	if e, err := s.Create(t.Context(), zone, used); err == nil {
		t.Errorf("Create = %+v although its revoked form has a tag in use", e)
	}
	// Only the name of a damaged file tells its tag; that is enough.
	s = New(t.TempDir())
	if err := os.WriteFile(s.dir.Path(fmt.Sprintf("Kexample.org.+013+%05d.key", second.Key.Tag)), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	seeded(s, 2, 3)
	if e := create(t, s, spec); e.Key.Tag == second.Key.Tag {
		t.Errorf("tag %d was given to a second key", e.Key.Tag)
	}
}

func TestCreate_TagsThatNeverEndGiveUp(t *testing.T) {
	s := New(t.TempDir())
	seeded(s, []byte(strings.Repeat("\x01", maxTries+1))...)
	create(t, s, spec)
	_, err := s.Create(t.Context(), zone, spec)
	if want := "example.org.: create key: the tags of 64 new keys in a row are in use"; fmt.Sprint(err) != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// TestCreate_FailurePairs stops Create at every step of either file. After an
// error there is no key that looks usable and none that looks off-line; nothing
// that was there before has changed; the next Create works.
func TestCreate_FailurePairs(t *testing.T) {
	steps := []durable.Step{durable.Lock, durable.Open, durable.Write, durable.SyncFile, durable.Link, durable.SyncDir, durable.Done}
	for _, suffix := range []string{privateSuffix, publicSuffix} {
		for _, step := range steps {
			s := New(t.TempDir())
			old := create(t, s, spec)
			before := snapshot(t, s.dir.Path())
			s.dir.Fault = func(at durable.Step, file string) error {
				if at == step && (at == durable.Lock || strings.HasSuffix(file, suffix)) {
					return &fs.PathError{Op: "write", Path: file, Err: syscall.ENOSPC}
				}
				return nil
			}
			_, err := s.Create(t.Context(), zone, spec)
			s.dir.Fault = nil
			if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), s.dir.Path()) {
				t.Errorf("%s of %s: error %v, want ENOSPC and the file", step, suffix, err)
			}
			list, err := s.List(t.Context(), zone)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				usable := e.Err == nil || !errors.Is(e.Err, keystore.ErrIncomplete)
				if e.ID != old.ID && usable {
					t.Errorf("%s of %s left %+v", step, suffix, e)
				}
			}
			after := snapshot(t, s.dir.Path())
			for name := range before {
				if after[name] != before[name] {
					t.Errorf("%s of %s changed %s", step, suffix, name)
				}
			}
			if e := create(t, s, spec); e.ID == old.ID {
				t.Error("the next Create returned the old key")
			}
		}
	}
}

// TestCreate_StopBetweenTheFiles is a kill, not an error: nothing is tidied up.
func TestCreate_StopBetweenTheFiles(t *testing.T) {
	s := New(t.TempDir())
	killed := false
	s.dir.Fault = func(_ durable.Step, file string) error {
		killed = killed || strings.HasSuffix(file, publicSuffix)
		if killed {
			return errors.New("killed")
		}
		return nil
	}
	if _, err := s.Create(t.Context(), zone, spec); err == nil {
		t.Fatal("Create outlived its death")
	}
	s.dir.Fault = nil
	e := one(t, s)
	want := fmt.Sprintf("%s.private: %s.key is missing: key is incomplete; put it back, or remove this file", s.dir.Path(e.ID), e.ID)
	if fmt.Sprint(e.Err) != want || !errors.Is(e.Err, keystore.ErrIncomplete) {
		t.Errorf("error %v, want %s", e.Err, want)
	}
	if e.Key.Role != policy.ZSK || len(e.Key.Public) == 0 {
		t.Errorf("key %+v, want what the private key tells", e.Key)
	}
	if _, err := s.Open(t.Context(), zone, e.ID); !errors.Is(err, keystore.ErrIncomplete) {
		t.Errorf("Open = %v, want ErrIncomplete", err)
	}
	if err := s.Destroy(t.Context(), zone, e.ID); err != nil {
		t.Errorf("Destroy: %v", err)
	}
}

// TestDestroy_FailurePairs: a key that is destroyed half-way never looks like
// one whose private part is kept off-line, and destroying it again works.
func TestDestroy_FailurePairs(t *testing.T) {
	for _, suffix := range []string{stateSuffix, publicSuffix, privateSuffix} {
		for _, step := range []durable.Step{durable.Lock, durable.Remove, durable.SyncDir, durable.Done} {
			s := New(t.TempDir())
			e := create(t, s, spec)
			s.dir.Fault = func(at durable.Step, file string) error {
				if at == step && (at == durable.Lock || strings.HasSuffix(file, suffix)) {
					return syscall.EIO
				}
				return nil
			}
			err := s.Destroy(t.Context(), zone, e.ID)
			s.dir.Fault = nil
			if step == durable.SyncDir || step == durable.Done {
				if (err != nil) != (suffix == privateSuffix) { // synced once, after the last
					t.Errorf("%s of %s: %v", step, suffix, err)
				}
			} else if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), s.dir.Path()) {
				t.Errorf("%s of %s: error %v, want EIO and the file", step, suffix, err)
			}
			list, listErr := s.List(t.Context(), zone)
			if listErr != nil || slices.ContainsFunc(list, func(e keystore.Entry) bool { return e.PublicOnly }) {
				t.Errorf("%s of %s left %+v, %v", step, suffix, list, listErr)
			}
			if err := s.Destroy(t.Context(), zone, e.ID); err != nil && !errors.Is(err, keystore.ErrNotExist) {
				t.Errorf("%s of %s: second Destroy: %v", step, suffix, err)
			}
		}
	}
}

func TestWriteDS_ReplacesItsOwnFile(t *testing.T) {
	s := New(t.TempDir())
	for _, records := range [][]string{{"example.org. IN DS 1 13 2 00"}, {"example.org. IN DS 2 13 2 00", "example.org. IN DS 2 13 4 00"}} {
		if err := s.WriteDS(t.Context(), zone, records); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"dsset-example.org.": "-rw------- example.org. IN DS 2 13 2 00\nexample.org. IN DS 2 13 4 00\n"}
	if got := snapshot(t, s.dir.Path()); len(got) != 1 || got["dsset-example.org."] != want["dsset-example.org."] {
		t.Errorf("files %q, want %q", got, want)
	}
	s.dir.Fault = func(durable.Step, string) error { return syscall.EROFS }
	err := s.WriteDS(t.Context(), zone, nil)
	if want := "example.org.: write DS records: directory " + s.dir.Path() + ": lock: read-only file system"; fmt.Sprint(err) != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestCreate_ReadOnlyAndFullDiskAreNamed(t *testing.T) {
	tests := []struct {
		step durable.Step
		err  syscall.Errno
		want string
	}{
		{durable.Lock, syscall.EROFS, "example.org.: create key: directory DIR: lock: read-only file system"},
		{durable.Lock, syscall.EACCES, "example.org.: create key: directory DIR: lock: permission denied"},
		{durable.Write, syscall.ENOSPC, "example.org.: create key: write DIR/Kexample.org.+015+60794.private: no space left on device"},
		{durable.SyncFile, syscall.EDQUOT, "example.org.: create key: write DIR/Kexample.org.+015+60794.private: disk quota exceeded"},
	}
	for _, test := range tests {
		s := New(t.TempDir())
		seeded(s, 1)
		s.dir.Fault = func(at durable.Step, _ string) error {
			if at == test.step {
				return test.err
			}
			return nil
		}
		_, err := s.Create(t.Context(), zone, spec)
		if want := strings.ReplaceAll(test.want, "DIR", s.dir.Path()); fmt.Sprint(err) != want {
			t.Errorf("error %v, want %s", err, want)
		}
		if got := snapshot(t, s.dir.Path()); len(got) != 0 {
			t.Errorf("left behind: %q", got)
		}
	}
}
