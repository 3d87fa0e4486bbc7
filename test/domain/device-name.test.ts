// What a device is called: a help to its owner's memory, made of text that anybody can send.
import t from 'tap'
import { deviceName, shownUserAgent } from '../../src/accounts/device-name.js'

t.test('deviceName', async (t) => {
  const names: [string, string][] = [
    ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox on Linux'],
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36', 'Chrome on Windows'],
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0', 'Edge on Windows'],
    ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15', 'Safari on macOS'],
    ['Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0.0.0 Mobile/15E148 Safari/604.1', 'Chrome on iPhone'],
    ['Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36', 'Samsung Internet on Android'],
    ['Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 OPR/120.0.0.0', 'Opera on Linux'],
    ['curl/8.14.1', 'curl'],
    ['okhttp/5.1.0', 'okhttp'],
    ['Acme-App/3.2 (iPhone; iOS 18.5)', 'Acme-App'],
    ['Mozilla/5.0', 'Unknown device'],
    ['Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2)', 'Windows'],
    ['Firefox/1', 'Firefox'],
    ['', 'Unknown device'],
    ['<script>alert(1)</script>', 'Unknown device'],
  ]
  for (const [userAgent, name] of names) t.equal(deviceName(userAgent), name, userAgent.slice(0, 60))
})

t.test('shownUserAgent is short, and nothing in it is unseen or turns what stands beside it about', async (t) => {
  t.equal(shownUserAgent(' curl/8\u202e\u200b\u0000\t\n.1\u00ad '), 'curl/8.1')
  t.equal(Array.from(shownUserAgent('\u{1f600}'.repeat(500))).length, 200)
  t.equal(shownUserAgent('Mozilla/5.0 (X11; Linux x86_64)'), 'Mozilla/5.0 (X11; Linux x86_64)')
})
