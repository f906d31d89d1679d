// Package durable changes the files of a directory so that each change is there
// whole or not at all, whenever the machine stops, and is on disk when the call
// returns.
//
// A new content is written to a temporary file in the same directory and
// synced, then takes its name (by link, which never replaces anything, or by
// rename, which does), then the directory is synced. BUG: on file systems that
// do not order a rename after the sync of the directory (some network ones) the
// last step promises less.
package durable

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Modes of what is made here: key files and state are nobody else's business.
const (
	fileMode = 0o600
	dirMode  = 0o700
)

// lockName is the file that writers of a directory hold locked.
const lockName = ".autosign.lock"

// The names of temporary files.
const (
	tempPrefix = ".autosign-"
	tempSuffix = ".tmp"
)

// lockPoll is how often a lock that another process holds is tried again.
const lockPoll = 5 * time.Millisecond

// Step is one thing that is done to the disk.
type Step string

// The steps, in the order in which a file is written.
const (
	Mkdir    Step = "mkdir"
	Lock     Step = "lock"
	Open     Step = "open"
	Write    Step = "write"
	SyncFile Step = "sync file"
	Link     Step = "link"
	Rename   Step = "rename"
	Remove   Step = "remove"
	SyncDir  Step = "sync directory"
	Done     Step = "done" // nothing is left to do but to tell
)

// Dir is a directory whose files are changed durably. It need not exist before
// the first change.
type Dir struct {
	path  string
	turn  chan struct{} // holds a token while a goroutine of this process has the lock
	swept bool          // by this process; under the lock

	// Fault, if set, is asked before each step; an error stops there. It is for
	// tests of what a full disk or a stop at that moment leaves behind.
	Fault func(step Step, file string) error
}

// New returns the directory at path.
func New(path string) *Dir { return &Dir{path: path, turn: make(chan struct{}, 1)} }

// Path returns the path of the directory, or of a file in it.
func (d *Dir) Path(name ...string) string {
	return filepath.Join(append([]string{d.path}, name...)...)
}

// Exclusive runs work while no other user of the directory, in this process or
// another, is in Exclusive. It makes the directory if it is not there; the first
// call removes temporary files that an interrupted writer left.
func (d *Dir) Exclusive(ctx context.Context, work func() error) error {
	if err := ctx.Err(); err != nil { // select would choose at random
		return fmt.Errorf("directory %s: %w", d.path, err)
	}
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return fmt.Errorf("directory %s: wait for another writer: %w", d.path, ctx.Err())
	}
	if err := d.make(); err != nil {
		return fmt.Errorf("directory %s: %w", d.path, err)
	}
	unlock, err := d.lock(ctx)
	if err != nil {
		return fmt.Errorf("directory %s: lock: %w", d.path, err)
	}
	defer unlock()
	if !d.swept { // once: it reads the whole directory
		d.sweep()
		d.swept = true
	}
	return work()
}

// Create writes a file that must not exist yet; otherwise the error is
// fs.ErrExist. Call it inside Exclusive.
func (d *Dir) Create(name string, data []byte) error {
	return d.put(name, bytesOf(data), func(temp, path string) error {
		err := d.step(Link, name, func() error { return os.Link(temp, path) })
		if err == nil || errors.Is(err, fs.ErrExist) || !noLinks(err) {
			return err
		}
		// A file system without links. Inside Exclusive only somebody who does
		// not ask for the lock could come between the look and the rename.
		if _, err := os.Lstat(path); err == nil {
			return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
		}
		return d.step(Rename, name, func() error { return os.Rename(temp, path) })
	})
}

// Replace writes a file, in place of one that exists or not. Call it inside
// Exclusive.
func (d *Dir) Replace(name string, data []byte) error {
	return d.ReplaceBy(name, bytesOf(data))
}

// ReplaceBy is Replace for content that is better not held in memory as a whole.
func (d *Dir) ReplaceBy(name string, write func(io.Writer) error) error {
	return d.put(name, write, func(temp, path string) error {
		return d.step(Rename, name, func() error { return os.Rename(temp, path) })
	})
}

func bytesOf(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

// put writes a temporary file and gives it its name.
func (d *Dir) put(name string, write func(io.Writer) error, publish func(temp, path string) error) error {
	path, temp := d.Path(name), d.Path(tempPrefix+rand.Text()+tempSuffix)
	defer os.Remove(temp) // there only after a failure, or as the second link
	err := d.writeTemp(temp, name, write)
	if err == nil {
		err = publish(temp, path)
	}
	if err == nil {
		err = d.syncDir(name)
	}
	if err == nil {
		err = d.step(Done, name, func() error { return nil })
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func (d *Dir) writeTemp(temp, name string, write func(io.Writer) error) (err error) {
	var f *os.File
	err = d.step(Open, name, func() error {
		f, err = os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
		return err
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	err = d.step(Write, name, func() error { return write(f) })
	if err != nil {
		return err
	}
	return d.step(SyncFile, name, f.Sync)
}

// Remove removes files, in the order given; those that are not there do not
// matter. Call it inside Exclusive.
func (d *Dir) Remove(names ...string) error {
	for _, name := range names {
		err := d.step(Remove, name, func() error { return os.Remove(d.Path(name)) })
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", d.Path(name), err)
		}
	}
	last := names[len(names)-1]
	err := d.syncDir(last)
	if err == nil {
		err = d.step(Done, last, func() error { return nil })
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", d.Path(last), err)
	}
	return nil
}

// Exists reports whether there is a file, or anything else, of that name.
func (d *Dir) Exists(name string) bool {
	_, err := os.Lstat(d.Path(name))
	return err == nil
}

// make makes the directory and what is missing above it, and syncs what holds
// each new entry.
func (d *Dir) make() error {
	var missing []string
	for p := d.path; ; p = filepath.Dir(p) {
		if _, err := os.Stat(p); err == nil || p == filepath.Dir(p) {
			break
		}
		missing = append(missing, p)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		err := d.step(Mkdir, missing[i], func() error { return os.Mkdir(missing[i], dirMode) })
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := syncPath(filepath.Dir(missing[i])); err != nil {
			return err
		}
	}
	return nil
}

// lock takes the lock file. Where the system has no such locks the turn in this
// process is all there is.
func (d *Dir) lock(ctx context.Context) (unlock func(), err error) {
	var f *os.File
	err = d.step(Lock, lockName, func() error {
		f, err = os.OpenFile(d.Path(lockName), os.O_RDWR|os.O_CREATE, fileMode)
		return err
	})
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		got, err := tryLock(f)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if got {
			return func() { f.Close() }, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("another process holds %s: %w", lockName, ctx.Err()), f.Close())
		}
	}
}

// sweep removes what writers that were stopped left. They may hold private
// keys. What cannot be removed does no harm but to lie there.
func (d *Dir) sweep() {
	list, err := os.ReadDir(d.path)
	if err != nil {
		return
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), tempPrefix) && strings.HasSuffix(e.Name(), tempSuffix) {
			os.Remove(d.Path(e.Name()))
		}
	}
}

func (d *Dir) syncDir(name string) error {
	return d.step(SyncDir, name, func() error { return syncPath(d.path) })
}

func (d *Dir) step(s Step, name string, do func() error) error {
	if d.Fault != nil {
		if err := d.Fault(s, name); err != nil {
			return err
		}
	}
	return do()
}
