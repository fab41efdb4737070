/** Names of images, as pulls and outcomes need them. */

export interface ImageReference {
  /** With the registry where one is named: `registry.example:5000/team/app`. */
  repository: string;
  /** A tag, or a digest (`sha256:...`), which pins the image. */
  tag: string;
}

/** `latest` where nothing is named, as everywhere. A digest goes before a tag. */
export function parseImageReference(image: string): ImageReference {
  const [name = '', digest] = image.split('@', 2);
  const slash = name.lastIndexOf('/');
  const colon = name.indexOf(':', slash + 1);
  const repository = colon === -1 ? name : name.slice(0, colon);
  return { repository, tag: digest ?? (colon === -1 ? 'latest' : name.slice(colon + 1)) };
}

/** What exactly ran: the digest under which the registry has the image, or its id where it never was in one. */
export function imageIdentity(
  image: string,
  { Id, RepoDigests }: { Id: string; RepoDigests?: string[] | null },
): string {
  const { repository, tag } = parseImageReference(image);
  if (tag.startsWith('sha256:')) return `${repository}@${tag}`;
  const wanted = normalised(repository);
  const ofRepository = (RepoDigests ?? []).find((digest) => normalised(digest.split('@')[0] ?? '') === wanted);
  return ofRepository ?? Id;
}

/** Docker leaves out its own registry, Podman does not. */
function normalised(repository: string): string {
  return repository.replace(/^docker\.io\//, '').replace(/^library\//, '');
}

/** The value of X-Registry-Auth: base64 of the alphabet for URLs, with its padding. */
export function registryAuthorization(
  image: string,
  credentials: { username: string; password: string } | null,
): string | null {
  if (credentials === null) return null;
  const { username, password } = credentials;
  const [first = ''] = parseImageReference(image).repository.split('/', 1);
  const isRegistry = /[.:]/.test(first) || first === 'localhost';
  const serveraddress = isRegistry ? first : 'https://index.docker.io/v1/';
  const text = Buffer.from(JSON.stringify({ username, password, serveraddress })).toString('base64');
  return text.replaceAll('+', '-').replaceAll('/', '_');
}
