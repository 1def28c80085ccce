package local

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// tokenVariable is where an executor finds its token.
const tokenVariable = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN"

// claims are what a token says: whose it is.
type claims struct {
	Framework string `json:"fid"`
	Executor  string `json:"eid"`
	Container string `json:"cid"`
}

// tokens makes and checks the tokens of an agent's executors, JSON Web Tokens as Mesos makes them.
type tokens struct{ key []byte }

func newTokens() *tokens {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails
	return &tokens{key}
}

var tokenEncoding = base64.RawURLEncoding

func (t *tokens) of(c claims) string {
	body, err := json.Marshal(c)
	if err != nil {
		panic(err) // three strings
	}
	text := tokenEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + tokenEncoding.EncodeToString(body)
	return text + "." + t.sign(text)
}

func (t *tokens) sign(text string) string {
	mac := hmac.New(sha256.New, t.key)
	mac.Write([]byte(text))
	return tokenEncoding.EncodeToString(mac.Sum(nil))
}

// read gives the claims of a request's token; else the challenge of the 401 that answers it.
func (t *tokens) read(r *http.Request) (c claims, challenge string) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return claims{}, `Bearer realm="mesos-agent-executor"`
	}
	wrong := func(why string) (claims, string) {
		return claims{}, fmt.Sprintf(`Bearer realm="mesos-agent-executor", error="invalid_token", error_description="%s"`, why)
	}
	scheme, token, two := strings.Cut(header, " ")
	switch {
	case !two:
		return wrong("Malformed 'Authorization' header")
	case scheme != "Bearer":
		return wrong("Scheme '" + scheme + "' unsupported")
	}
	at := strings.LastIndexByte(token, '.')
	if at < 0 || !hmac.Equal([]byte(token[at+1:]), []byte(t.sign(token[:at]))) {
		return wrong("Invalid JWT: Token signature does not match")
	}
	_, body, _ := strings.Cut(token[:at], ".")
	text, err := tokenEncoding.DecodeString(body)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return wrong("Invalid JWT: " + err.Error())
	}
	return c, ""
}

// allow refuses a call in the name of another executor than the token's.
func (c claims) allow(call *executor.Call, container string) *httpError {
	without := func(format string, args ...any) *httpError {
		return httpErrorf(http.StatusForbidden, "Authenticated principal '%+v' does not contain "+format, append([]any{c}, args...)...)
	}
	switch {
	case c.Framework != call.FrameworkID.Value:
		return without("an 'fid' claim with the framework ID %s, which is set in the call", call.FrameworkID.Value)
	case c.Executor != call.ExecutorID.Value:
		return without("an 'eid' claim with the executor ID %s, which is set in the call", call.ExecutorID.Value)
	case c.Container != container:
		return without("a 'cid' claim with the correct active ContainerID")
	}
	return nil
}
