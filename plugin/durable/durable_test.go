package durable

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

func exclusive(t *testing.T, d *Dir, work func() error) {
	t.Helper()
	if err := d.Exclusive(t.Context(), work); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, d *Dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(d.Path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestCreate_NeverReplaces(t *testing.T) {
	d := New(t.TempDir())
	exclusive(t, d, func() error { return d.Create("a", []byte("one")) })
	exclusive(t, d, func() error {
		err := d.Create("a", []byte("two"))
		if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), d.Path("a")) {
			t.Errorf("second Create: %v, want ErrExist and the path", err)
		}
		return nil
	})
	if got := content(t, d, "a"); got != "one" {
		t.Errorf("content %q, want that of the first", got)
	}
	// A symbolic link that leads nowhere is something, too.
	if err := os.Symlink("nowhere", d.Path("b")); err != nil {
		t.Fatal(err)
	}
	exclusive(t, d, func() error {
		if err := d.Create("b", nil); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Create over a link: %v, want ErrExist", err)
		}
		return nil
	})
}

// TestCreate_WithoutLinks is a file system that has none: renamed, but still not
// over anything.
func TestCreate_WithoutLinks(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EPERM, syscall.ENOTSUP, syscall.ENOSYS} {
		d := New(t.TempDir())
		d.Fault = func(s Step, _ string) error {
			if s == Link {
				return errno
			}
			return nil
		}
		exclusive(t, d, func() error { return d.Create("a", []byte("one")) })
		exclusive(t, d, func() error {
			if err := d.Create("a", []byte("two")); !errors.Is(err, fs.ErrExist) {
				t.Errorf("%v: second Create: %v, want ErrExist", errno, err)
			}
			return nil
		})
		if got := content(t, d, "a"); got != "one" {
			t.Errorf("%v: content %q, want that of the first", errno, got)
		}
	}
}

func TestReplace_LeavesOneFile(t *testing.T) {
	d := New(t.TempDir())
	exclusive(t, d, func() error {
		return errors.Join(d.Replace("a", []byte("one")), d.Replace("a", []byte("two")))
	})
	if got := content(t, d, "a"); got != "two" {
		t.Errorf("content %q, want two", got)
	}
	list, err := os.ReadDir(d.Path())
	if err != nil || len(list) != 2 {
		t.Errorf("directory holds %v, %v; want the file and the lock", list, err)
	}
}

func TestRemove_ForgivesWhatIsNotThere(t *testing.T) {
	d := New(t.TempDir())
	exclusive(t, d, func() error {
		return errors.Join(d.Create("b", nil), d.Remove("a", "b", "c"))
	})
	if d.Exists("b") {
		t.Error("b is still there")
	}
}

// TestSteps_OrderOnDisk is the order that durability rests on.
func TestSteps_OrderOnDisk(t *testing.T) {
	d := New(filepath.Join(t.TempDir(), "keys"))
	var steps []string
	d.Fault = func(s Step, _ string) error {
		steps = append(steps, string(s))
		return nil
	}
	exclusive(t, d, func() error {
		return errors.Join(d.Create("a", nil), d.Replace("a", nil), d.Remove("a"))
	})
	want := "mkdir, lock, " +
		"open, write, sync file, link, sync directory, done, " +
		"open, write, sync file, rename, sync directory, done, " +
		"remove, sync directory, done"
	if got := strings.Join(steps, ", "); got != want {
		t.Errorf("steps\n%s, want\n%s", got, want)
	}
}

func TestExclusive_LetsOneInAtATime(t *testing.T) {
	path := t.TempDir()
	dirs := []*Dir{New(path), New(path), New(path)}
	var wg sync.WaitGroup
	var inside, most atomic.Int32 // the race detector knows nothing of file locks
	for i := range 12 {
		wg.Go(func() {
			err := dirs[i%3].Exclusive(t.Context(), func() error {
				if n := inside.Add(1); n > most.Load() {
					most.Store(n)
				}
				runtime.Gosched()
				inside.Add(-1)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most.Load() != 1 {
		t.Errorf("%d were inside at once", most.Load())
	}
}

func TestExclusive_EndsWithItsContext(t *testing.T) {
	path := t.TempDir()
	a, b := New(path), New(path)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, other := range []*Dir{a, b} { // within the process, and by the lock file
		exclusive(t, a, func() error {
			cancel()
			if err := other.Exclusive(ctx, func() error { return nil }); !errors.Is(err, context.Canceled) {
				t.Errorf("Exclusive = %v, want Canceled", err)
			}
			return nil
		})
	}
}

// TestExclusive_EndOfAProcessFreesTheLock: no lock is left by a killed server.
func TestExclusive_EndOfAProcessFreesTheLock(t *testing.T) {
	path := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHolder$")
	cmd.Env = append(os.Environ(), "DURABLE_HOLD="+path)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "holding") {
		t.Fatalf("the holder said %q, %v", out, err)
	}
	d := New(path)
	exclusive(t, d, func() error { return d.Create("a", nil) })
}

// TestHolder is the process that is killed while it holds the lock.
func TestHolder(t *testing.T) {
	path := os.Getenv("DURABLE_HOLD")
	if path == "" {
		return
	}
	exclusive(t, New(path), func() error {
		if _, err := os.Stdout.WriteString("holding\n"); err != nil {
			return err
		}
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	})
}

func TestExclusive_MissingParentsAreMade(t *testing.T) {
	d := New(filepath.Join(t.TempDir(), "a", "b", "c"))
	exclusive(t, d, func() error { return d.Create("x", nil) })
	if info, err := os.Stat(d.Path()); err != nil || info.Mode().Perm() != dirMode {
		t.Errorf("directory: %v, %v", info, err)
	}
}
