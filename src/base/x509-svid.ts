import { readCertificateExtensions } from './certificate-extensions.ts'
import { fail, ok, type Result } from './result.ts'
import { isSpiffeId } from './spiffe-id.ts'

/**
 * The SPIFFE ID of a workload's certificate (X509-SVID §2, §4, §5): its one URI, if the certificate is no authority's.
 * The chain of the certificate must have been verified. The error says what is wrong, and follows "a certificate".
 */
export function readSpiffeId(certificate: Buffer): Result<string, string> {
  let extensions: ReturnType<typeof readCertificateExtensions>
  try {
    extensions = readCertificateExtensions(certificate)
  } catch {
    return fail('that cannot be read')
  }
  const { uris, isAuthority, mayCertify } = extensions
  const [id, more] = uris
  if (isAuthority || mayCertify) return fail('of an authority')
  if (id === undefined) return fail('without a URI')
  if (more !== undefined) return fail('with several URIs')
  return isSpiffeId(id) ? ok(id) : fail('whose URI is no SPIFFE ID of a workload')
}
