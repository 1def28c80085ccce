package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Files of a node's directory, besides what the server itself writes.
const (
	redisConf = "redis.conf"
	nodesConf = "nodes.conf"
	logName   = "redis.log"
	lockName  = "lock"
	dumpName  = "dump.rdb"
)

// stage makes a node's directory ready: redis.conf as rendered, nodes.conf only where there is
// none, because after the first start it is the server's memory of the cluster.
func (c *cluster) stage(index int, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, nodesConf)); errors.Is(err, os.ErrNotExist) {
		text, err := c.renderer.AppendNodesConf(nil, index)
		if err != nil {
			return err
		}
		if err := replaceFile(filepath.Join(dir, nodesConf), text); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	options := c.options
	options.Dir = dir
	text, err := c.renderer.RedisConf(index, options)
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, redisConf), text)
}

// replaceFile writes a file as a whole or not at all.
func replaceFile(path string, content []byte) error {
	if err := os.WriteFile(path+".new", content, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// dropStaleDump removes the snapshot that a replica without persistence leaves after every full
// synchronisation, and that a server loads whenever it starts: a node that has become a master since would
// come back with data of then, and serve it.
func (c *cluster) dropStaleDump(dir string) error {
	if c.options.Persists() {
		return nil
	}
	if err := os.Remove(filepath.Join(dir, dumpName)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// lockPatience is how long the last process of a killed server may take to be gone.
const lockPatience = 2 * time.Second

// lockDir takes the lock of a node's directory. The server inherits the file, so that the lock
// ends with its last process and not with the executor: who gets it knows that nothing of a
// former server lives. (The server's own lock, on nodes.conf, is lost when it replaces that file,
// which it does from Redis 7.2 on.)
func lockDir(ctx context.Context, dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for patience := lockPatience; ; patience -= 10 * time.Millisecond {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, unix.EWOULDBLOCK):
			err = fmt.Errorf("lock %s: %w", dir, err)
		case patience <= 0:
			err = fmt.Errorf("a former server still lives in %s: its file %s is locked", dir, lockName)
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		default:
			time.Sleep(10 * time.Millisecond)
			continue
		}
		f.Close()
		return nil, err
	}
}
