package executor

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/internal/proc"
)

// stubVariable makes the test's program a stub of a redis-server, which misbehaves as the
// variable's words say.
const stubVariable = "EXECUTOR_TEST_STUB"

// stubServer writes a program that is the stub with these words.
func stubServer(t *testing.T, words string) string {
	t.Helper()
	return script(t, fmt.Sprintf("%s='%s' exec '%s' \"$@\"", stubVariable, words, os.Args[0]))
}

// script writes a program in the shell's language.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "redis-server")
	if err := proc.WriteProgram(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// stub binds the ports of its redis.conf and answers everything. "deaf": it ignores SIGTERM.
// "loading": it says -LOADING at first.
func stub() {
	if os.Args[1] == "--version" {
		fmt.Println("Redis server v=7.0.99 sha=00000000:0 malloc=none bits=64 build=0")
		return
	}
	if strings.Contains(os.Getenv(stubVariable), "deaf") {
		signal.Ignore(syscall.SIGTERM)
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	conf := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			conf[name] = strings.Trim(value, `"`)
		}
	}
	data, err := net.Listen("tcp", net.JoinHostPort(conf["bind"], conf["port"]))
	if err != nil {
		panic(err)
	}
	if _, err := net.Listen("tcp", net.JoinHostPort(conf["bind"], conf["cluster-port"])); err != nil {
		panic(err)
	}
	fmt.Println("stub is ready")
	loading := 0
	if strings.Contains(os.Getenv(stubVariable), "loading") {
		loading = 3
	}
	for {
		c, err := data.Accept()
		if err != nil {
			continue
		}
		c.SetDeadline(time.Now().Add(5 * time.Second))
		bufio.NewReader(c).ReadString('\n')
		if loading--; loading >= 0 {
			io.WriteString(c, "-LOADING Redis is loading the dataset in memory\r\n")
		} else {
			io.WriteString(c, "+PONG\r\n")
		}
		c.Close()
	}
}
