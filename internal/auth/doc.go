// Package auth proves who asks. A request carries a token: a JWT signed with
// the secret of its app ([Verify], [Sign]). A download or an upload needs no
// token but a URL that was signed for just that file, that direction and that
// time ([URLSigner]). Every comparison with something secret takes constant
// time, and nothing secret is ever put into an error.
package auth
