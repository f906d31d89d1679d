package directory

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/durable"
	"github.com/autosign-dns/autosign/plugin/store"
	"github.com/autosign-dns/autosign/plugin/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) (a, b store.Store) {
		dir := filepath.Join(t.TempDir(), "keys")
		return New(dir), New(dir)
	})
}

const name = "example.org.state.json"

// TestSwap_FailurePairs stops a Swap at every step of writing: whatever is on
// disk afterwards is the whole old document or the whole new one, and the next
// Swap works.
func TestSwap_FailurePairs(t *testing.T) {
	steps := []durable.Step{durable.Lock, durable.Open, durable.Write, durable.SyncFile,
		durable.Link, durable.Rename, durable.SyncDir, durable.Done}
	for _, first := range []bool{true, false} {
		for _, step := range steps {
			s := New(t.TempDir())
			old, want, rev := "", "", store.Revision("")
			if !first {
				old = "one"
				rev = mustSwap(t, s, "", old)
			}
			want = old
			if step == durable.SyncDir || step == durable.Done {
				want = "two" // done but not told
			}
			reached := false
			s.dir.Fault = func(at durable.Step, _ string) error {
				if at == step {
					reached = true
					return syscall.ENOSPC
				}
				return nil
			}
			_, err := s.Swap(t.Context(), name, rev, []byte("two"))
			s.dir.Fault = nil
			if !reached { // a first document is linked, a later one renamed
				continue
			}
			if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), s.dir.Path()) {
				t.Errorf("%s: error %v, want one that names the place and ENOSPC", step, err)
			}
			data, rev, err := s.Load(t.Context(), name)
			if string(data) != want || (want == "") != errors.Is(err, store.ErrNotExist) {
				t.Errorf("%s: document %q, %v; want %q", step, data, err, want)
			}
			mustSwap(t, s, rev, "three")
			noLeftovers(t, s)
		}
	}
}

func mustSwap(t *testing.T, s *Store, old store.Revision, data string) store.Revision {
	t.Helper()
	rev, err := s.Swap(t.Context(), name, old, []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func noLeftovers(t *testing.T, s *Store) {
	t.Helper()
	left, err := filepath.Glob(s.dir.Path(".autosign-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestSwap_DocumentsAreNobodyElses(t *testing.T) {
	s := New(filepath.Join(t.TempDir(), "deep", "keys"))
	mustSwap(t, s, mustSwap(t, s, "", "one"), "two")
	for path, want := range map[string]fs.FileMode{s.dir.Path(name): 0o600, s.dir.Path(): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want mode %v", path, info.Mode(), err, want)
		}
	}
}

func TestSwap_ReadOnlyDirectoryIsNamed(t *testing.T) {
	s := New(t.TempDir())
	s.dir.Fault = func(durable.Step, string) error { return syscall.EROFS }
	_, err := s.Swap(t.Context(), name, "", []byte("one"))
	want := "swap: directory " + s.dir.Path() + ": lock: read-only file system"
	if err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}

func TestStore_FileInPlaceOfTheDirectoryIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := New(path)
	_, _, loadErr := s.Load(t.Context(), name)
	_, swapErr := s.Swap(t.Context(), name, "", nil)
	_, listErr := s.List(t.Context(), "")
	for what, err := range map[string]error{"Load": loadErr, "Swap": swapErr, "List": listErr} {
		if !errors.Is(err, syscall.ENOTDIR) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want ENOTDIR and the path", what, err)
		}
	}
}

// TestSwap_LongNameIsAnError because file systems end at 255 octets; nothing is
// cut off in silence.
func TestSwap_LongNameIsAnError(t *testing.T) {
	s := New(t.TempDir())
	zone := strings.Repeat(strings.Repeat("a", 60)+".", 4)
	if _, err := s.Swap(t.Context(), store.Name(zone, strings.Repeat("x", 20)), "", nil); err == nil {
		t.Error("a name of more than 255 octets was accepted")
	}
}

func TestSwap_WaitsForTheLockNoLongerThanItsContext(t *testing.T) {
	dir := t.TempDir()
	a, b := New(dir), New(dir)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := a.dir.Exclusive(t.Context(), func() error {
		_, err := b.Swap(ctx, name, "", []byte("two"))
		return err
	})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), dir) {
		t.Errorf("Swap = %v, want the deadline and the directory", err)
	}
	mustSwap(t, b, "", "three")
}

func TestSwap_SweepsWhatAKilledWriterLeft(t *testing.T) {
	s := New(t.TempDir())
	left, kept := s.dir.Path(".autosign-XYZ.tmp"), s.dir.Path(".other.tmp")
	for _, path := range []string{left, kept} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustSwap(t, s, "", "one")
	noLeftovers(t, s)
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("another's file is gone: %v", err)
	}
}

func TestList_LeavesOthersFilesAlone(t *testing.T) {
	s := New(t.TempDir())
	mustSwap(t, s, "", "one")
	for _, other := range []string{"Kexample.org.+013+00001.key", "dsset-example.org.", ".hidden"} {
		if err := os.WriteFile(s.dir.Path(other), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.List(t.Context(), ""); err != nil || len(got) != 1 || got[0] != name {
		t.Errorf("List = %q, %v; want %q", got, err, name)
	}
}

// TestRevision_HoldsForARestoredCopy because it is made of the contents.
func TestRevision_HoldsForARestoredCopy(t *testing.T) {
	a, b := New(t.TempDir()), New(t.TempDir())
	rev := mustSwap(t, a, "", "one")
	data, err := os.ReadFile(a.dir.Path(name))
	if err == nil {
		err = os.WriteFile(b.dir.Path(name), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	mustSwap(t, b, rev, "two")
}
