// Package lastgood keeps the last published records of a zone on the local
// disk, unsigned, so that the zone can be signed and served again after a
// restart at which its source is broken or gone.
package lastgood

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/durable"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// ErrNone says that no copy of the zone is kept.
var ErrNone = errors.New("no last good copy")

// ErrDamaged says that the copy kept cannot be read. It has been moved aside,
// not deleted; the error's text says where to.
var ErrDamaged = errors.New("last good copy is damaged")

// Copy is a published zone.
type Copy struct {
	Zone      *zone.Zone // as it came from the source
	Serial    uint32     // under which it was published
	Published time.Time  // UTC
}

// Dir is a directory with copies, one file a name:
//
//	first line   the format
//	second line  what Copy says besides the zone, as JSON
//	then         the zone in the form of Zone.Encode
//	at last      the SHA-256 of all before it
type Dir struct{ files *durable.Dir }

// New returns the directory of copies below path; it need not exist yet. It is
// one of its own, so that writing a large copy holds up nobody who writes keys.
func New(path string) Dir { return Dir{durable.New(filepath.Join(path, "lastgood"))} }

// lockWait is how long Save waits for another writer of copies, such as the
// instance that a reload replaces.
const lockWait = time.Minute

const format = "autosign last good copy 1\n"

// head is the second line of the file.
type head struct {
	Name      string    `json:"name"`
	Serial    uint32    `json:"serial"`
	Published time.Time `json:"published"`
}

// Save keeps a copy under a name, which is one of a file, in place of the one
// before. When it returns without an error the copy outlives a power failure.
func (d Dir) Save(name string, c Copy) error {
	err := checkName(name)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), lockWait)
		defer cancel()
		err = d.files.Exclusive(ctx, func() error {
			return d.files.ReplaceBy(name, func(w io.Writer) error { return write(w, name, c) })
		})
	}
	if err != nil {
		return fmt.Errorf("keep last good copy %s: %w", name, err)
	}
	return nil
}

func write(w io.Writer, name string, c Copy) error {
	sum := sha256.New()
	out := bufio.NewWriter(io.MultiWriter(w, sum))
	line, err := json.Marshal(head{name, c.Serial, c.Published.UTC()})
	if err != nil {
		return err
	}
	out.WriteString(format) // a bufio.Writer keeps the first error for Flush
	out.Write(append(line, '\n'))
	if err := c.Zone.Encode(out); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err = w.Write(sum.Sum(nil))
	return err
}

// checkName refuses names that would be in another directory, or hidden.
func checkName(name string) error {
	if name == "" || name[0] == '.' || strings.ContainsAny(name, "/\\\x00") {
		return fmt.Errorf("%q is not the name of a file", name)
	}
	return nil
}

// Load returns the copy kept under a name. Without one the error is ErrNone;
// if it cannot be made out it is moved aside and the error is ErrDamaged.
func (d Dir) Load(name string) (Copy, error) {
	if err := checkName(name); err != nil {
		return Copy{}, fmt.Errorf("read last good copy: %w", err)
	}
	c, err := d.load(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Copy{}, fmt.Errorf("%s: %w", name, ErrNone)
	case errors.Is(err, ErrDamaged):
		return Copy{}, fmt.Errorf("%s: %w; %s", name, err, d.moveAside(name))
	case err != nil:
		return Copy{}, fmt.Errorf("read last good copy %s: %w", name, err)
	}
	return c, nil
}

func (d Dir) load(name string) (c Copy, err error) {
	f, err := os.Open(d.files.Path(name))
	if err != nil {
		return Copy{}, err
	}
	defer f.Close()
	size, err := checkSum(f)
	if err != nil {
		return Copy{}, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return Copy{}, err
	}
	in := bufio.NewReader(io.LimitReader(f, size))
	h, err := readHead(in, name)
	if err != nil {
		return Copy{}, err
	}
	z, err := zone.Decode(in)
	if err != nil {
		return Copy{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return Copy{z, h.Serial, h.Published}, nil
}

// checkSum compares the checksum at the end of a file with what stands before
// it, and returns how much that is.
func checkSum(f *os.File) (size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if size = info.Size() - sha256.Size; size < 0 {
		return 0, fmt.Errorf("%w: it has %d octets", ErrDamaged, info.Size())
	}
	sum, want := sha256.New(), make([]byte, sha256.Size)
	if _, err := io.Copy(sum, io.LimitReader(f, size)); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(f, want); err != nil {
		return 0, err
	}
	if !bytes.Equal(sum.Sum(nil), want) {
		return 0, fmt.Errorf("%w: its checksum is wrong", ErrDamaged)
	}
	return size, nil
}

// readHead reads the first two lines.
func readHead(in *bufio.Reader, name string) (h head, err error) {
	if first, err := in.ReadString('\n'); err != nil || first != format {
		return h, fmt.Errorf("%w: the format is not %q", ErrDamaged, strings.TrimSpace(format))
	}
	line, err := in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &h)
	}
	switch {
	case err != nil:
		return h, fmt.Errorf("%w: its head: %w", ErrDamaged, err)
	case h.Name != name:
		return h, fmt.Errorf("%w: it is the copy of %q", ErrDamaged, h.Name)
	}
	return h, nil
}

// moveAside gives a damaged file another name, one that is free, and says what
// became of it.
func (d Dir) moveAside(name string) string {
	from := d.files.Path(name)
	to := from + ".damaged"
	for n := 2; d.files.Exists(filepath.Base(to)); n++ {
		to = fmt.Sprintf("%s.damaged-%d", from, n)
	}
	if err := os.Rename(from, to); err != nil {
		return fmt.Sprintf("it stays in %s: %v", from, err)
	}
	return "it is now " + to
}
