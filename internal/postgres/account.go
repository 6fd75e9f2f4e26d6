package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the user that the server runs as.
type account struct {
	name       string
	credential *syscall.Credential // nil: the user of this program
}

// chooseAccount returns this program's user; or, because PostgreSQL refuses to run as root, the
// owner of the cluster in dataDir, else the user mxdesk, else postgres.
func chooseAccount(dataDir string) (account, error) {
	owner, exists, err := ownerOf(dataDir)
	if err != nil {
		return account{}, err
	}
	euid := os.Geteuid()
	if euid != 0 {
		me, err := user.LookupId(strconv.Itoa(euid))
		if err != nil {
			return account{}, fmt.Errorf("user id %d has no name, and PostgreSQL needs one: %w", euid, err)
		}
		if exists && owner != euid {
			return account{}, fmt.Errorf("%s belongs to user id %d: run mxdesk as that user or as root", dataDir, owner)
		}
		return account{name: me.Username}, nil
	}
	if exists && owner != 0 {
		u, err := user.LookupId(strconv.Itoa(owner))
		if err != nil {
			return account{}, fmt.Errorf("%s belongs to a user without a name: %w", dataDir, err)
		}
		return accountOf(u)
	}
	for _, name := range []string{"mxdesk", "postgres"} {
		if u, err := user.Lookup(name); err == nil {
			return accountOf(u)
		}
	}
	return account{}, errors.New("PostgreSQL does not run as root, and there is neither a user mxdesk nor a user postgres; " +
		"make one with: useradd --system mxdesk")
}

func accountOf(u *user.User) (account, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user %s: user id: %w", u.Username, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user %s: group id: %w", u.Username, err)
	}
	return account{u.Username, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

// give makes the account the owner of path.
func (a account) give(path string) error {
	if a.credential == nil {
		return nil
	}
	return os.Lchown(path, int(a.credential.Uid), int(a.credential.Gid))
}

// ownerOf is the user id that owns path, if it exists.
func ownerOf(path string) (uid int, exists bool, err error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("look at the data folder: %w", err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid), true, nil
}

// closedFolder is the first folder on the way to path that the account may not pass, judged by its
// permission bits; "" if there is none. It is for an error message only.
func (a account) closedFolder(path string) string {
	if a.credential == nil {
		return ""
	}
	closed := ""
	for dir := path; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil {
			stat := info.Sys().(*syscall.Stat_t)
			pass := info.Mode().Perm()&0o001 != 0 ||
				stat.Gid == a.credential.Gid && info.Mode().Perm()&0o010 != 0 ||
				stat.Uid == a.credential.Uid && info.Mode().Perm()&0o100 != 0
			if !pass {
				closed = dir
			}
		}
		if dir == filepath.Dir(dir) {
			return closed
		}
	}
}
