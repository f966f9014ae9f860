package android.content.res;

import java.io.File;
import java.io.IOException;

public final class AssetManager {
    public AssetFileDescriptor openFd(String name) throws IOException {
        return new AssetFileDescriptor(new File(name));
    }
}
